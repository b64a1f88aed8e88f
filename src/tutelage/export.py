"""The student as a file that runs without PyTorch, and what that file is worth: measured by running it."""

import contextlib
import io
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tutelage import files
from tutelage.card import load_student
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.evaluate import BATCH, measure, predict
from tutelage.run import Run

LATENCY_RUNS = 200


class _Logits(nn.Module):
    """Pixels in, logits out: what an exported file computes."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network(pixels).logits


def export(run: Run, dataset: DataSet) -> dict[str, Any]:
    """Writes student.onnx (pixels in [0, 1], any batch size) and runs it on val; export.json says what came out.

    Returns:
        `file`, `bytes`, `val_top1`, `same_predictions` (share of val images with PyTorch's top-1),
        `largest_difference` (of logits), `latency_ms` (median and 90th percentile, one image, one thread).

    Raises:
        UserError: the run is not finished, or the file does not compute what PyTorch does.
    """
    if not run.done:
        raise UserError(f"{run.path} is not finished", f"tutelage train {run.path} goes on")
    network = load_student(run, dataset)
    path = run.path / "student.onnx"
    with files.appearing(path) as beside:
        write_onnx(network, dataset.train.shape, beside)
    logits = run_onnx(path, dataset.val)
    expected = predict(network, dataset.val, what="PyTorch on val")
    told = {
        "file": path.name,
        "bytes": path.stat().st_size,
        "val_top1": measure(torch.from_numpy(logits), dataset.val.labels)["top1"],
        "same_predictions": float((logits.argmax(1) == expected.numpy().argmax(1)).mean()),
        "largest_difference": float(np.abs(logits - expected.numpy()).max()),
        "latency_ms": latency_ms(path, dataset.train.shape),
    }
    if told["same_predictions"] < 0.999:
        raise UserError(
            f"{path} agrees with PyTorch on only {told['same_predictions']:.1%} of the validation images",
            "report it with the model's name; the file is kept for inspection",
        )
    files.write_json(run.path / "export.json", told)
    return told


def write_onnx(network: nn.Module, shape: tuple[int, int, int], path: Path) -> None:
    """One self-contained ONNX file with input "pixels" [batch, channels, height, width] and output "logits"."""
    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1)
    # The exporter reports its progress on stdout, which is for data, and warns of things that are not the user's.
    noisy = logging.getLogger("torch.onnx")
    before = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                _Logits(network).eval(),
                (example,),
                input_names=["pixels"],
                output_names=["logits"],
                dynamic_shapes=({0: batch},),
                dynamo=True,
                verbose=False,
            )
    finally:
        noisy.setLevel(before)
    assert program is not None
    program.save(path, external_data=False)


def session(path: Path) -> Any:
    """An ONNX Runtime session on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_onnx(path: Path, images: MemoryImages) -> np.ndarray:
    """The file's logits on every image."""
    runtime = session(path)
    parts = []
    for start in range(0, len(images), BATCH):
        position = torch.arange(start, min(start + BATCH, len(images)))
        pixels = images.plain(position).contiguous().numpy()
        parts.append(runtime.run(["logits"], {"pixels": pixels})[0])
    return np.concatenate(parts)


def latency_ms(path: Path, shape: tuple[int, int, int]) -> dict[str, float]:
    """Milliseconds for one image on one thread: {"p50", "p90"}."""
    runtime = session(path)
    pixels = np.zeros((1, *shape), np.float32)
    for _ in range(20):
        runtime.run(None, {"pixels": pixels})
    times = []
    for _ in range(LATENCY_RUNS):
        begun = time.perf_counter()
        runtime.run(None, {"pixels": pixels})
        times.append((time.perf_counter() - begun) * 1000)
    return {"p50": float(np.percentile(times, 50)), "p90": float(np.percentile(times, 90))}
