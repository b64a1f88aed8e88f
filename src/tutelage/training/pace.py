"""Notices when the steps of a run become slow while it goes on."""

from collections.abc import Callable
from statistics import median

import torch

FEWER = (
    ", and {} threads wait for each other at every step. If it stays so: stop with Ctrl-C and give the same command "
    "with --engine.threads 1; the run goes on from there"
)


class Pace:
    """Notices when steps take several times as long as they did, and says so once.

    Args:
        what: Whose steps.
        say: Where to.
    """

    STEPS, TIMES, LEAST_S = 20, 3.0, 2.0
    """Steps that are looked at together; how many times as long is worth a line, and what they must take together."""

    def __init__(self, what: str, say: Callable[[str], None]):
        self.what, self._say = what, say
        self._usual: float | None = None
        self._now: list[float] = []
        self._said = False

    def took(self, seconds: float) -> None:
        """Notes one step."""
        self._now.append(seconds)
        if len(self._now) < self.STEPS:
            return
        usual, slow, total = self._usual, median(self._now), sum(self._now)
        self._now = []
        if usual is None or slow < usual:
            self._usual = slow
        elif slow > self.TIMES * usual and total > self.LEAST_S and not self._said:
            self._said = True
            threads = torch.get_num_threads()
            self._say(
                f"{self.what}: a step takes {1e3 * slow:,.0f} ms, {slow / usual:.0f} times as long as before: "
                "something else uses the processor" + (FEWER.format(threads) if threads > 1 else "")
            )
