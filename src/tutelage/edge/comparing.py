"""Measures several files on this machine in turn, each in a process of its own, so that conditions are the same."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage.edge import card
from tutelage.edge.worker import Worker


class Contestant(NamedTuple):
    """One file and what is known of it."""

    name: str
    path: Path
    shape: tuple[int, int, int]
    """The shape of one image: channels, height, width."""
    val_top1: float | None = None
    """Where it has been measured."""


LATENCY_RUNS, THROUGHPUT_SECONDS = 10, 0.3


def compare(contestants: list[Contestant], *, rounds: int, batch: int) -> list[dict[str, Any]]:
    """Latency, throughput, memory and size of every file.

    Args:
        contestants: The files.
        rounds: Of latency, `LATENCY_RUNS` images a file and round; a quarter as many, at least one, of throughput.
        batch: Images at once for the throughput.

    Returns:
        In the order given: `name`, `file`, `bytes`, `val_top1`, `latency_ms` {"p50", "p90"} of one image on one thread,
        `images_per_second` (the median round, one thread), `batch`, `peak_bytes`, `file_bytes`, `flash_bytes` and
        `ram_bytes` of a microcontroller and `npu`, Vela's estimates, None where they do not apply, and `pareto`: no
        other is both more accurate and faster (at least one of them strictly); None where an accuracy is not known.

    Raises:
        UserError: a file cannot be run.
    """
    workers: list[Worker] = []
    times: list[list[float]] = [[] for _ in contestants]
    speeds: list[list[float]] = [[] for _ in contestants]
    try:
        for contestant in contestants:
            workers.append(Worker(contestant.path, contestant.shape))
        for _ in range(rounds):
            for worker, taken in zip(workers, times):
                taken += worker.ask("latency", runs=LATENCY_RUNS)
        for _ in range(max(1, rounds // 4)):
            for worker, speed in zip(workers, speeds):
                speed.append(worker.ask("throughput", batch=batch, seconds=THROUGHPUT_SECONDS))
    finally:
        for worker in workers:
            worker.close()
    rows: list[dict[str, Any]] = [
        {
            "name": contestant.name,
            "file": contestant.path.name,
            "bytes": size_bytes(contestant.path),
            "val_top1": contestant.val_top1,
            "latency_ms": percentiles(taken),
            "images_per_second": float(np.median(speed)),
            "batch": batch,
            **worker.memory,
            **card.on_chip(contestant.path),
        }
        for contestant, worker, taken, speed in zip(contestants, workers, times, speeds)
    ]
    known = [row for row in rows if row["val_top1"] is not None]
    for row in rows:
        row["pareto"] = None if row["val_top1"] is None else not any(_beats(other, row) for other in known)
    return rows


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """{"p50", "p90"}."""
    return {name: float(np.percentile(milliseconds, share)) for name, share in (("p50", 50), ("p90", 90))}


def size_bytes(path: Path) -> int:
    """The size of a file; OpenVINO's weights lie beside the graph and count."""
    parts = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return sum(part.stat().st_size for part in parts if part.exists())


def _beats(row: dict[str, Any], other: dict[str, Any]) -> bool:
    accuracy = row["val_top1"] - other["val_top1"]
    time = other["latency_ms"]["p50"] - row["latency_ms"]["p50"]
    return min(accuracy, time) >= 0 and max(accuracy, time) > 0
