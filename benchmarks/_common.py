"""What the benchmarks share: interleaved timing, and results as JSON with the machine named."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tutelage.run import machine

RESULTS = Path(__file__).parent.parent / "docs" / "results"


def interleaved(contenders: dict[str, Callable[[int], Any]], rounds: int, repeats: int = 1) -> dict[str, list[float]]:
    """Seconds of each contender in each round, all in one process, in turn: drift of the machine hits all alike.

    Args:
        contenders: Called with a number that grows by one a call.
        rounds: Counted rounds; two more go first, uncounted.
        repeats: Calls a measurement.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    number = 0
    for round_number in range(rounds + 2):
        for name, contender in contenders.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                contender(number)
                number += 1
            if round_number >= 2:
                seconds[name].append((time.perf_counter() - begun) / repeats)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> dict[str, float]:
    """Median and quartiles of the round-by-round ratio name / base."""
    ratios = [a / b for a, b in zip(seconds[name], seconds[base], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": round(middle, 4), "quartile_low": round(low, 4), "quartile_high": round(high, 4)}


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Median and minimum in milliseconds."""
    return {"median_ms": round(statistics.median(seconds) * 1e3, 3), "min_ms": round(min(seconds) * 1e3, 3)}


def write(name: str, result: dict[str, Any]) -> Path:
    """Writes docs/results/NAME.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine()} | result, indent=2) + "\n")
    return path
