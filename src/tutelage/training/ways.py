"""Chooses among the ways to compute a training step: a number of threads, and float32 or bfloat16."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

STEPS = 10
"""Steps that are timed of each way."""
CLEARLY = 1.2
"""How many times as fast more threads, or another format, must be to be worth it."""
LONG_S = 60.0
"""A run that one thread finishes within so many seconds of its own has nothing else tried."""
NEAR = 0.02
"""How far the losses may be from those of float32, as a share of them."""
WORDS = {"fp32": "float32", "bf16": "bfloat16"}


class Way(NamedTuple):
    """A way to compute."""

    precision: str
    threads: int

    def __str__(self) -> str:
        return f"{WORDS[self.precision]} on {self.threads} thread{'' if self.threads == 1 else 's'}"


@dataclass(frozen=True)
class Timed:
    """What some training steps took, all on the same images."""

    way: Way
    ms: float
    """The mean step on the clock."""
    cpu_ms: float
    """What it took of the processor, all threads together: the same whatever else the machine does."""
    losses: tuple[float, ...]

    def agrees(self, other: "Timed") -> bool:
        """Whether the losses of its steps are those of another, as far as both were made."""
        return all(abs(mine - its) <= NEAR * abs(its) for mine, its in zip(self.losses, other.losses, strict=False))


Measurement = Callable[[Way, int], Timed]
"""Times so many steps in one way."""


def choose(wanted: Way, available: int, measure: Measurement, steps: int) -> tuple[Way, list[Timed]]:
    """One thread and float32 for a short run; for a long one more threads and bfloat16 where they are clearly faster.

    One thread gives the same bits on any number of cores, and waits for nobody: on a busy processor the steps of a
    tiny network take a hundred times as long on two threads.

    Args:
        wanted: "auto" and 0 are decided here, everything else stays.
        available: The threads that torch would use.
        measure: Times so many steps and one before them.
        steps: Of the whole run.

    Returns:
        The choice, and all that was timed for it.
    """
    best = measure(Way("fp32", wanted.threads or 1), 1)
    is_long = best.cpu_ms * steps > LONG_S * 1e3
    counts = [] if wanted.threads or not is_long else _doubled(available)
    halves = is_long if wanted.precision == "auto" else wanted.precision == "bf16"
    if not counts and not halves:
        return Way(wanted.precision, best.way.threads) if wanted.precision != "auto" else best.way, [best]
    tried = [best := measure(best.way, STEPS)]
    for threads in counts:
        tried.append(measure(Way("fp32", threads), STEPS))
        if tried[-1].ms * CLEARLY >= best.ms:
            break
        best = tried[-1]
    if halves:
        half = measure(Way("bf16", best.way.threads), STEPS)
        tried.append(half)
        if wanted.precision == "bf16" or (half.cpu_ms * CLEARLY < best.cpu_ms and half.agrees(best)):
            best = half
    return best.way, tried


def _doubled(threads: int) -> list[int]:
    """2, 4, 8, ... and so many."""
    powers = [1 << n for n in range(1, threads.bit_length()) if 1 << n < threads]
    return [*powers, *([threads] if threads > 1 else [])]


def in_words(wanted: Way, student: str, way: Way, measured: list[Timed]) -> str:
    """One line: what was chosen and what it was compared with; a warning where the user's own choice is slower."""
    times = ", ".join(f"{m.way} {m.ms:.3g} ms" for m in measured)
    by_precision = {m.way.precision: m.cpu_ms for m in measured if m.way.threads == way.threads}
    if wanted.precision == "bf16" and by_precision["bf16"] > by_precision["fp32"]:
        return (
            f"warning: {student} trains slower in bfloat16 on this processor, {by_precision['bf16']:,.0f} ms a step, "
            f"than in float32, {by_precision['fp32']:,.0f} ms: leave out --engine.precision"
        )
    return f"{student} is trained in {way} (a step: {times}); --engine.precision and --engine.threads set it"
