"""How each kind of file is run on one CPU thread; each runtime is imported when a file needs it."""

import contextlib
import os
import platform
import sys
import warnings
from collections.abc import Callable, Generator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tutelage.edge import card
from tutelage.edge.card import Card
from tutelage.errors import UserError

Infer = Callable[[np.ndarray], np.ndarray]
"""From pixels in [0, 1], float32 [B, C, H, W], to logits [B, classes]."""


class Opened(NamedTuple):
    """A file that is ready to be run."""

    infer: Infer
    card: Callable[[], Card]
    """What the file, or card.json beside it, says of itself."""


def open_onnx(path: Path) -> Opened:
    """Of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if _saturates():
        # Another way of computing 8-bit products: a third slower, and right.
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime's exceptions share no base class but Exception.
    except Exception as error:
        reason = str(error).rpartition(" : ")[2].splitlines()[0]
        raise UserError(
            f"{path} is not an ONNX file that can be run: {reason}", "tutelage export RUN writes one"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs", "expected a classifier with one of each"
        )
    name, output = inputs[0].name, outputs[0].name
    said = session.get_modelmeta().custom_metadata_map

    def own_card() -> Card:
        if card.KEY not in said:
            return card.beside(path)
        return Card.of(card.parsed(said[card.KEY], f"{path}'s metadata"), f"{path}'s metadata")

    return Opened(lambda pixels: np.asarray(session.run([output], {name: pixels})[0]), own_card)


def open_torch(path: Path) -> Opened:
    """Of PyTorch: a program of torch.export."""
    import torch

    torch.set_num_threads(1)
    program = torch.export.load(path).module()

    @torch.inference_mode()
    def infer(pixels: np.ndarray) -> np.ndarray:
        return program(torch.from_numpy(pixels)).numpy()

    return Opened(infer, lambda: card.beside(path))


def open_openvino(path: Path) -> Opened:
    """Of OpenVINO, computing in float32 where the file does not say int8."""
    openvino = import_module("openvino")
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return Opened(lambda pixels: compiled(pixels)[0].copy(), lambda: card.beside(path))


def open_executorch(path: Path) -> Opened:
    """Of ExecuTorch, with XNNPACK's kernels."""
    import torch

    with _quiet():
        portable_lib = import_module("executorch.extension.pybindings.portable_lib")
        # It would take all cores. "unsafe" means: not while another thread computes.
        portable_lib._unsafe_reset_threadpool(1)
    program = portable_lib._load_for_executorch(str(path))

    def one(pixels: np.ndarray) -> np.ndarray:
        return program.run_method("forward", (torch.from_numpy(pixels),))[0].numpy().copy()

    return Opened(_singly(one), lambda: card.beside(path))


def open_litert(path: Path) -> Opened:
    """Of LiteRT."""
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    asked, said = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(pixels: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(asked, pixels)
        interpreter.invoke()
        return interpreter.get_tensor(said)

    return Opened(_singly(one), lambda: card.beside(path))


class Runtime(NamedTuple):
    """What runs files of one suffix."""

    open: Callable[[Path], Opened]
    module: str
    """What is imported."""
    package: str
    """What is installed."""


RUNTIMES: dict[str, Runtime] = {
    ".onnx": Runtime(open_onnx, "onnxruntime", "onnxruntime"),
    ".pt2": Runtime(open_torch, "torch", "torch"),
    ".xml": Runtime(open_openvino, "openvino", "openvino"),
    ".pte": Runtime(open_executorch, "executorch.extension.pybindings.portable_lib", "executorch"),
    ".tflite": Runtime(open_litert, "ai_edge_litert", "ai-edge-litert"),
}


def open_file(path: Path) -> Opened:
    """A file ready to be run, by its suffix.

    Raises:
        UserError: no such file, a suffix that nothing here runs, a runtime that is not installed, a file it refuses.
    """
    if path.suffix not in RUNTIMES:
        raise UserError(f"{path} is of no kind that can be run", f"known: {', '.join(RUNTIMES)}")
    if not path.is_file():
        raise UserError(f"there is no file {path}", "tutelage export RUN writes one")
    card.check_exported(path)
    runtime = RUNTIMES[path.suffix]
    try:
        return runtime.open(path)
    except ModuleNotFoundError:
        raise UserError(f"{path} needs {runtime.package} to run", f"pip install {runtime.package}") from None
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be run by {runtime.package}: {reason}", "export it anew") from None


@cache
def _saturates() -> bool:
    """Whether this processor's 16-bit sums of 8-bit products may overflow: x86 that does not say it has VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    told = Path("/proc/cpuinfo")
    return not (told.exists() and "vnni" in told.read_text())


def _singly(one: Infer) -> Infer:
    """Image by image: for files whose batch is fixed at 1."""
    return lambda pixels: np.concatenate([one(pixels[i : i + 1]) for i in range(len(pixels))])


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """No warnings, and nothing on stderr, also not from C++."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
