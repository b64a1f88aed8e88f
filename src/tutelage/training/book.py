"""Writes down what a run measures while it goes on: losses, accuracy on val, time, teacher passes."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from tutelage.errors import Diverged
from tutelage.measure.measures import Measured
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.process import ALONE, Process

LOG_EVERY = 50
"""Steps between two readings of the losses: only there does the host wait for the device."""
LOWER = "lower fit.learning_rate or the term's weight, or set fit.clip_norm; the last good checkpoint is kept"
NEARER = (
    "no weight has moved yet: bring the method's numbers nearer to their defaults (tutelage explain METHOD), "
    "or, in a method of your own, mend what divides by zero"
)
"""Where the very first loss is not finite."""


class Book:
    """The notes of one run; the host reads losses from the device now and then.

    Args:
        run: Whose metrics.jsonl is written.
        plan: The run's.
        state: What the last checkpoint says, `step` among it.
        process: The first of several writes.
    """

    def __init__(self, run: Run, plan: Plan, state: dict[str, Any], process: Process = ALONE):
        self.run, self.plan, self.process, self.first = run, plan, process, process.first
        self.next_step: int = state["step"]
        """The first step that this process makes."""
        self.state = {key: value for key, value in state.items() if key != "step"}
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []
        self._since = time.monotonic()

    @property
    def val_top1(self) -> tuple[float, float]:
        """After the last epoch, and after the best."""
        return self.state["last"], self.state["best"]["top1"]

    def note(self, step: int, terms: dict[str, Tensor]) -> None:
        """Keeps the losses of a step until the next reading."""
        # A recorded step writes its terms into the same place every time: a copy stays.
        self._waiting.append((step, {name: term.detach().clone() for name, term in terms.items()}))
        if (step + 1) % LOG_EVERY == 0:
            self.write(step + 1)

    def write(self, step: int) -> None:
        """Writes down the mean losses of the steps since the last writing, also of those before an interruption."""
        self.read()
        if "sums" not in self.state:
            return
        sums, steps = self.state.pop("sums"), self.state.pop("summed")
        if self.first:
            means = {name: total / steps for name, total in sums.items()}
            self.run.log(step, "train", {"loss": sum(means.values()), **means})

    def read(self) -> None:
        """Fetches the losses noted since the last reading: their means over all processes, so that all see the same.

        Raises:
            Diverged: one is not finite; names step and term.
        """
        now = time.monotonic()
        self.state["seconds"] += now - self._since
        self._since = now
        if not self._waiting:
            return
        names = list(self._waiting[0][1])
        values = torch.stack([torch.stack([terms[name] for name in names]) for _, terms in self._waiting])
        values = self.process.mean(values).cpu()
        if not values.isfinite().all():
            row, column = (~values.isfinite()).nonzero()[0].tolist()
            step = self._waiting[row][0]
            raise Diverged(
                f"the loss is not finite: term {names[column]} at step {step} of {self.run.path}",
                LOWER if step else NEARER,
            )
        self._waiting.clear()
        # One after the other, so that the sums do not depend on where the readings were.
        sums = self.state.setdefault("sums", dict.fromkeys(names, 0.0))
        for row in values.tolist():
            for name, value in zip(names, row, strict=True):
                sums[name] += value
        self.state["summed"] = self.state.get("summed", 0) + len(values)

    def validated(self, step: int, measured: Measured) -> None:
        """Writes down the measures on the validation split after an epoch.

        Raises:
            Diverged: the last step before it broke the weights, though its own loss was finite.
        """
        if not math.isfinite(measured["nll"]):
            raise Diverged(f"the weights are not finite after step {step - 1} of {self.run.path}", LOWER)
        best = self.state.get("best")
        self.state["last"] = measured["top1"]
        if best is None or measured["top1"] > best["top1"]:
            self.state["best"] = {"top1": measured["top1"], "epoch": round(self.plan.epoch(step))}
        if self.first:
            self.run.log(step, "val", {name: measured[name] for name in ("top1", "nll", "ece")})

    def cost(self, saved: int) -> dict[str, Any]:
        """Seconds, speed, and teacher passes."""
        images = self.plan.steps * self.plan.fit.batch_size
        return {
            "seconds": round(self.state["seconds"], 2),
            "images": images,
            "images_per_second": round(images / max(self.state["seconds"], 1e-9), 1),
            "teacher_passes_paid": self.state["paid"],
            "teacher_passes_saved": saved,
            "best_val": self.state.get("best"),
        }
