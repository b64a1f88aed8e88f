"""Measures what a file is worth, by running it on val, on val's picture files, and in a process of its own.

A session is a plain one, as anybody opens it, but for the number of threads: what is measured is what a device gets.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from tutelage.data.images import Images
from tutelage.edge import processor
from tutelage.edge.comparing import percentiles, size_bytes
from tutelage.edge.runtimes import Infer, open_file
from tutelage.edge.worker import Worker
from tutelage.export.from_files import from_files
from tutelage.export.task import Task
from tutelage.measure.classifier import BATCH, measure
from tutelage.progress import advancing

LATENCY_RUNS = 200


def measured(
    task: Task, path: Path, logits: Float32[np.ndarray, "N C"] | None = None, infer: Infer | None = None
) -> dict[str, Any]:
    """Runs a file on val, on val's picture files, and image by image in a process of its own.

    Args:
        task: What was exported.
        path: The file.
        logits: The file's on val, where it has been run already.
        infer: What runs it on picture files; None: the runtime of its suffix.

    Returns:
        `file`; `bytes`, with what belongs to it; `images`, of val; `val_top1`; `drop`, PyTorch's top-1 less the
        file's; `same_predictions`, the share of images with PyTorch's top-1; `largest_difference`, of logits;
        `from_files`, what `from_files.from_files` returns; `sqnr_db`, the power of PyTorch's logits over that of the
        difference, in decibels, None where there is none; `latency_ms` {"p50", "p90"} of one image on one thread;
        `peak_bytes`, the memory of a process that runs it, and `file_bytes`, the part that was not there before the
        file was opened; `processor`, and its `int8_instructions`, on which all of this was found.
    """
    logits = run_file(path, task.dataset.val) if logits is None else logits
    expected = task.logits.numpy()
    difference = logits - expected
    noise = float(np.square(difference).mean())
    labels = task.dataset.val.labels
    top1 = measure(torch.from_numpy(logits), labels)["top1"]
    worker = Worker(path, task.shape)
    try:
        times = worker.ask("latency", runs=LATENCY_RUNS)
    finally:
        worker.close()
    return {
        "file": path.name,
        "bytes": size_bytes(path),
        "images": len(labels),
        "val_top1": top1,
        "drop": measure(task.logits, labels)["top1"] - top1,
        "same_predictions": float((logits.argmax(1) == expected.argmax(1)).mean()),
        "largest_difference": float(np.abs(difference).max()),
        "from_files": from_files(path, task.dataset.val, logits, infer),
        "sqnr_db": 10 * float(np.log10(np.square(expected).mean() / noise)) if noise else None,
        "latency_ms": percentiles(times),
        **worker.memory,
        "processor": processor.name(),
        "int8_instructions": processor.instruction_sets(),
    }


def run_file(path: Path, images: Images) -> Float32[np.ndarray, "N C"]:
    """A file's logits on every image."""
    infer = open_file(path).infer
    parts = []
    with advancing(f"{path.name} on val", len(images)) as advance:
        for position in torch.arange(len(images)).split(BATCH):
            parts.append(infer(images.plain(position).contiguous().numpy()))
            advance(len(position))
    return np.concatenate(parts)
