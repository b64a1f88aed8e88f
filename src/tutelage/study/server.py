"""Imports what runs and the export need, in the server that processes are forked from (see `processes`).

Of PyTorch's exporter that is what it imports itself when it is called, which takes as long as all it does then. Nothing
here may begin threads, which a fork would lose.
"""

import atexit
import contextlib
import gc
import os

import lightning_fabric  # noqa: F401

import tutelage.export.onnx_files
import tutelage.training.loop  # noqa: F401

with contextlib.suppress(ImportError):  # of other versions: imported when they are used
    import onnxscript.function_libs.torch_lib.ops  # noqa: F401
    import torch.export._trace
    import torch.onnx._internal.exporter._compat  # noqa: F401

SERVER = os.getpid()


@atexit.register
def _leave() -> None:
    """The server has nothing to tidy up; who reads what the first process says waits until it is gone."""
    if os.getpid() == SERVER:
        os._exit(0)


gc.freeze()  # what is imported stays shared with all that are forked, and is not searched for cycles at their end
