"""What the benchmarks share: interleaved timing, a cache of made-up answers, results as JSON with the machine named."""

import hashlib
import io
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from tutelage.data.memory import MemoryImages
from tutelage.methods.kd import KD
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.tap import Tapped
from tutelage.run import optim
from tutelage.run.builtin import built_in
from tutelage.run.engine import Engine
from tutelage.run.folder import machine
from tutelage.run.recipe import Recipe
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cachefiles import SHARD
from tutelage.teacher.manifest import FORMAT

RESULTS = Path(__file__).parent.parent / "docs" / "results"
MEAN = STD = (0.5, 0.5, 0.5)
WARM_UP = 2
"""Rounds that are not counted."""


def by_sgd() -> Recipe:
    """The recipe mlperf_tiny as it was before Muon: what docs/results/patience.md and headline_search.md began with."""
    fit = optim.Fit(60, 128, learning_rate=0.1, weight_decay=5e-4)
    return replace(built_in("mlperf_tiny"), method=KD(temperature=4.0, alpha=0.9), fit=fit)


def interleaved(
    contenders: dict[str, Callable[[int], Any]], rounds: int, repeats: int = 1, limit_s: float = math.inf
) -> dict[str, list[float]]:
    """Seconds of each contender in each round, all in one process, in turn: drift of the machine hits all alike.

    Args:
        contenders: Called with a number that grows by one a call.
        rounds: Counted rounds; two more go first, uncounted.
        repeats: Calls a measurement.
        limit_s: No round begins after so many seconds, once there are four.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    number, started = 0, time.perf_counter()
    for round_number in range(rounds + WARM_UP):
        if round_number >= WARM_UP + 4 and time.perf_counter() - started > limit_s:
            break
        for name, contender in contenders.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                contender(number)
                number += 1
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if round_number >= WARM_UP:
                seconds[name].append((time.perf_counter() - begun) / repeats)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> dict[str, Any]:
    """Median and quartiles of the round-by-round ratio name / base, and the number of rounds."""
    ratios = [a / b for a, b in zip(seconds[name], seconds[base], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "median": round(middle, 4),
        "quartile_low": round(low, 4),
        "quartile_high": round(high, 4),
        "rounds": len(ratios),
    }


def in_words(values: dict[str, Any]) -> str:
    """A ratio as one line says it."""
    spread = f"({values['quartile_low']:.3f} to {values['quartile_high']:.3f}, {values['rounds']} rounds)"
    return f"{values['median']:.3f} {spread}"


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Median and minimum in milliseconds."""
    return {"median_ms": round(statistics.median(seconds) * 1e3, 3), "min_ms": round(min(seconds) * 1e3, 3)}


def write(name: str, result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Writes FOLDER/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "date": time.strftime("%Y-%m-%d")} | result, indent=2) + "\n")
    return path


def network(name: str, classes: int = 100) -> Tapped:
    """A network for CIFAR-size images, random weights, channels last; NAME@224 enlarges them inside, as recipes do."""
    name, _, size = name.partition("@")
    model = build(Model(name, size=int(size or 0)), DataSpec(classes, 3, 32, MEAN, STD))
    return model.to(memory_format=torch.channels_last)


def random_images(samples: int, classes: int = 100, side: int = 32) -> MemoryImages:
    """Images of random pixels."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (samples, 3, side, side), dtype=torch.uint8, generator=generator)
    return MemoryImages(pixels, torch.randint(0, classes, (samples,), generator=generator))


def made_up_cache(root: Path, samples: int, views: int, widths: dict[str, int]) -> TeacherCache:
    """A cache whose shards hold random rows, written without a teacher and without waiting for the disk.

    Args:
        root: Of all caches.
        samples: Rows a view.
        views: How many.
        widths: Columns of each field.
    """
    manifest = {"format": FORMAT, "teacher": {"name": "made up"}, "storage": "float16", "widths": widths}
    cache = TeacherCache(root, manifest | {"images": {"digest": "", "samples": samples}})
    generator = np.random.default_rng(0)
    blocks = {field: generator.standard_normal((SHARD, width)).astype(np.float16) for field, width in widths.items()}
    for shard in cache.files.missing(range(views), widths):
        buffer = io.BytesIO()
        np.save(buffer, blocks[shard.field][: samples - shard.start])
        path = cache.folder / shard.path
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".sha256").write_text(hashlib.sha256(buffer.getvalue()).hexdigest() + "\n")
        path.write_bytes(buffer.getvalue())
    return cache


def bare_step(
    student: Tapped, images: MemoryImages, fit: optim.Fit, fabric: Fabric | None = None, compiled: str = ""
) -> Callable[[int], None]:
    """Forward, cross-entropy, backward and optimiser step on ready tensors: nothing trains this student faster here.

    Args:
        student: In channels_last.
        images: The first batch of them is used in every step.
        fit: Batch size and optimiser.
        fabric: Device and precision; None: this process's CPU, float32.
        compiled: A mode of torch.compile; empty: none.
    """
    fabric = fabric or Engine(device="cpu").fabric()
    plain = student.train()
    ready = torch.compile(plain, mode=compiled) if compiled else plain
    module, optimizer = fabric.setup(ready, optim.optimizer(fit, plain))
    pixels = images.plain(torch.arange(fit.batch_size)).contiguous(memory_format=torch.channels_last)
    pixels, labels = pixels.to(fabric.device), images.labels[: fit.batch_size].to(fabric.device)

    def step(number: int) -> None:
        loss = torch.nn.functional.cross_entropy(module(pixels).logits.float(), labels)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    return step
