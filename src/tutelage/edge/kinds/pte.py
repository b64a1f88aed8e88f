"""Programs of ExecuTorch with XNNPACK's kernels: phones, Arm boards."""

from importlib import import_module
from pathlib import Path

import numpy as np

from tutelage.edge import card
from tutelage.edge.runtimes import Opened, Student, quiet, singly

MODULE = "executorch.extension.pybindings.portable_lib"
PACKAGE = "executorch"


def write(student: Student, path: Path) -> None:
    """One image at a time."""
    import torch

    exir = import_module("executorch.exir")
    xnnpack = import_module("executorch.backends.xnnpack.partition.xnnpack_partitioner")
    program = torch.export.export(student.program, (torch.zeros(1, *student.shape),))
    lowered = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def open_file(path: Path) -> Opened:
    """The program on one thread."""
    import torch

    with quiet():
        portable_lib = import_module("executorch.extension.pybindings.portable_lib")
        # It would take all cores. "unsafe" means: not while another thread computes.
        portable_lib._unsafe_reset_threadpool(1)
    program = portable_lib._load_for_executorch(str(path))

    def one(pixels: np.ndarray) -> np.ndarray:
        return program.run_method("forward", (torch.from_numpy(pixels),))[0].numpy().copy()

    return Opened(singly(one), lambda: card.beside(path))
