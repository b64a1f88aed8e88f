"""Ideas that answers under addresses make possible, as methods of one's own: kd at its defaults and one change.

Each keeps something of every training image between steps, by its number; benchmarks/methods.py tries them on val, and
docs/log.md says what came out.

    tutelage train cifar10 benchmarks/ideas.py:ViewMean
    python benchmarks/ideas.py --page          # on the digits, with ten paired seeds
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage import Engine, train
from tutelage.methods import METHODS, Adapted, Claims, Range, Share, Temperature, label_cross_entropy, widened
from tutelage.methods.finding import method_at_defaults
from tutelage.run.builtin import built_in
from tutelage.run.recipe import TeacherSpec
from tutelage.run.workspace import Workspace

CLAIMS = Claims(why="it compares with what was said in earlier steps", stopped="what is remembered")


def kl(log_p: Float[Tensor, "B C"], log_q: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
    """KL(p || q) of every row."""
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(dim=1)


class Memory(nn.Module):
    """A row of numbers for every training image, and how often it was written."""

    rows: Tensor
    count: Tensor

    def __init__(self, samples: int, width: int):
        super().__init__()
        self.register_buffer("rows", torch.zeros(samples, width))
        self.register_buffer("count", torch.zeros(samples))

    @torch.no_grad()
    def mean(self, sample: Int64[Tensor, " B"], new: Float[Tensor, "B D"], keep: float = 1.0) -> Float[Tensor, "B D"]:
        """Takes up a new row of each sample; the mean of all its rows, or an average that keeps at most `keep`."""
        count = self.count[sample] + 1
        share = (1 / count).clamp_min(1 - keep)[:, None]
        rows = torch.lerp(self.rows[sample], new.detach().to(self.rows.dtype), share)
        self.rows[sample], self.count[sample] = rows, count
        return rows


@dataclass(frozen=True)
class ViewMean(Adapted):
    """kd from a target that is shared between the teacher's answer to this view and the mean over the views so far."""

    claims: ClassVar[Claims] = CLAIMS
    temperature: Temperature = 4.0
    """T > 0."""
    alpha: Share = 0.9
    """Share of the teacher's term."""
    share: Share = 0.5
    """Of the mean over views in the target."""

    def losses(self, student, teacher, context, adapters):
        p = F.softmax(widened(teacher.logits.detach()) / self.temperature, dim=1)
        target = torch.lerp(p, adapters.mean(context.sample, p).to(p.dtype), self.share)
        log_q = F.log_softmax(widened(student.logits) / self.temperature, dim=1)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * self.temperature**2 * kl(target.clamp_min(1e-12).log(), log_q).mean(),
        }

    def parts(self, student, teacher, samples):
        return Memory(samples, teacher.classes)


@dataclass(frozen=True)
class ViewSpread(Adapted):
    """kd with weights: images about whose views the teacher disagrees with itself count more (or less).

    The disagreement is the mean over views of KL(p_view || mean of p over views), which is H(mean) - mean(H).
    """

    claims: ClassVar[Claims] = CLAIMS
    temperature: Temperature = 4.0
    """T > 0."""
    alpha: Share = 0.9
    """Share of the teacher's term."""
    power: Annotated[float, Range(-2, 2)] = 0.5
    """Of the disagreement in the weight, which is scaled to mean 1 in every batch."""

    def losses(self, student, teacher, context, adapters):
        log_p, log_q = (F.log_softmax(widened(z) / self.temperature, dim=1) for z in (teacher.logits, student.logits))
        log_p = log_p.detach()
        entropy = -(log_p.exp() * log_p).sum(dim=1, keepdim=True)
        known = adapters.mean(context.sample, torch.cat([log_p.exp(), entropy], dim=1)).to(log_p.dtype)
        mean, entropies = known[:, :-1], known[:, -1]
        spread = (-(mean * mean.clamp_min(1e-12).log()).sum(dim=1) - entropies).clamp_min(0) + 1e-4
        weights = spread**self.power
        loss = weights / weights.mean() * kl(log_p, log_q)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * self.temperature**2 * loss.mean(),
        }

    def parts(self, student, teacher, samples):
        return Memory(samples, teacher.classes + 1)


@dataclass(frozen=True)
class OwnPast(Adapted):
    """kd towards more than the teacher says, by what the student has lacked so far: z_t + push (z_t - z_past).

    z_past averages the student's own answers to earlier views of the image; all logits are centred.
    """

    claims: ClassVar[Claims] = CLAIMS
    temperature: Temperature = 4.0
    """T > 0."""
    alpha: Share = 0.9
    """Share of the teacher's term."""
    push: Annotated[float, Range(-1, 2)] = 0.5
    """How far beyond the teacher; below 0: towards the student's own past."""
    keep: Share = 0.7
    """Of the past in its average."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = widened(student.logits), widened(teacher.logits.detach())
        own, theirs = (z - z.mean(dim=1, keepdim=True) for z in (z_s.detach(), z_t))
        met = adapters.count[context.sample][:, None] > 0
        past = torch.where(met, adapters.rows[context.sample].to(z_s.dtype), theirs)
        adapters.mean(context.sample, own, self.keep)
        target = F.log_softmax((theirs + self.push * (theirs - past)) / self.temperature, dim=1)
        loss = kl(target, F.log_softmax(z_s / self.temperature, dim=1)).mean()
        return {
            "label": (1 - self.alpha) * label_cross_entropy(z_s, context),
            "teacher": self.alpha * self.temperature**2 * loss,
        }

    def parts(self, student, teacher, samples):
        return Memory(samples, teacher.classes)


IMAGES, EPOCHS = 400, 12
"""Of the 1,294 training images: with all of them every student has 98 % of val right, and nothing is left to gain."""
TRIED = {
    "kd": "kd",
    "mean over views 0.5": "ViewMean",
    "views that differ count more": "ViewSpread",
    "beyond the teacher 0.5": "OwnPast",
    "baseline": "baseline",
}
"""On the digits, where a run takes seconds: label -> a name in METHODS, or a class of this file."""


def main() -> None:
    """Trains each with paired seeds and writes docs/results/ideas.json: the difference to kd on val."""
    from _common import write
    from methods import compared

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--runs", type=Path, default=Path("runs/ideas"))
    parser.add_argument("--page", action="store_true", help="write the results of what is done")
    chosen = parser.parse_args()
    space = Workspace(chosen.runs, engine=Engine(device="cpu", threads=1))
    whole = built_in("digits")
    assert whole.teacher is not None
    taught_by_all = train(whole.of_teachers[0], space)
    teacher = TeacherSpec(replace(whole.teacher.model, weights=str(taught_by_all.path)))
    base = replace(whole, data=replace(whole.data, part=IMAGES), teacher=teacher, views=4)
    base = replace(base, fit=replace(base.fit, epochs=EPOCHS))
    val: dict[str, list[float]] = {}
    for seed in range(chosen.seeds):
        for label, name in TRIED.items():
            method = method_at_defaults(name if name in METHODS else f"{__file__}:{name}")
            one = replace(base, method=method, seed=seed)
            run = train(one if method.needs else one.as_baseline, space)
            val.setdefault(label, []).append(100 * run.curve("val", "top1")[-1][1])
        print(f"seed {seed}: " + ", ".join(f"{label} {values[-1]:.2f}" for label, values in val.items()), flush=True)
    if chosen.page:
        settings = {"data": "digits", "part": IMAGES, "epochs": EPOCHS, "views": 4, "seeds": chosen.seeds}
        print(write("ideas", settings | {"rows": compared(val)}))


if __name__ == "__main__":
    main()
