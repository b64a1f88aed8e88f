"""How heavy is each published weight on ten classes? The teacher's gradient beside that of cross-entropy.

ResNet-56 (published weights) -> resnet8 on as many of CIFAR-10's training images as stay in memory with all that the
teacher answers: the norm of the gradient of all terms but the labels', with respect to the student's weights, over that
of plain cross-entropy, before the first step and after the last; then the mean cross-entropy of the last pass over the
images, by the recipe mlperf_tiny's Muon and by the SGD that most weights were published with. No image of val or test
is read, and nothing is chosen by the numbers.

    python benchmarks/weights.py --teacher FILE [--methods NAME ...]
    python benchmarks/weights.py --page
"""

import argparse
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from _common import RESULTS, write
from methods import BATCH, LABELS, TEN, recipe
from tutelage import data, rng
from tutelage.methods import METHODS, method_class
from tutelage.methods.base import Method
from tutelage.models.tap import EVERYTHING
from tutelage.outputs import Context
from tutelage.run import optim
from tutelage.run.network import build_for
from tutelage.teacher.answer import LiveTeacher

MEASURED = RESULTS / "weights.json"
STEPS, BATCHES = 50, 10
FITS = {
    "muon": optim.Fit(10, BATCH, optimizer="muon", learning_rate=0.05, weight_decay=0.01, schedule="constant"),
    "sgd": optim.Fit(10, BATCH, learning_rate=0.05, weight_decay=5e-4, schedule="constant"),
}
"""Both reach their rate in a tenth of the steps."""
BESIDE = ("baseline", "kd", "logit_mse", "mlkd", "cat_kd", "wkd_l", "simkd", "pkt", "cc", "crd")
"""Methods that read no maps; those that read maps are all there."""


def rows_wanted() -> list[str]:
    """The labels of the table."""
    names = [*BESIDE, *(name for name in METHODS if "features" in method_class(name).needs)]
    return [label for label in LABELS if label.removesuffix(TEN) in names]


def after_warm_up(method: Method) -> Method:
    """The same without one."""
    return replace(method, warm_up=0.0) if "warm_up" in {field.name for field in fields(method)} else method


class Batches:
    """The images, their labels and all that the teacher answers to them, asked once."""

    def __init__(self, teacher: str, count: int, root: Path | None):
        chosen = recipe("kd", 0, teacher, 1, 1, count * BATCH)
        self.seen = data.load(chosen.data, root)
        network = build_for(chosen.teacher.model, self.seen, 0).to(memory_format=torch.channels_last)
        live = LiveTeacher(network, EVERYTHING | {"regions"})
        self.sizes, self.steps = network.sizes(), []
        for sample in torch.arange(count * BATCH).split(BATCH):
            pixels = self.seen.train.view(sample, torch.zeros_like(sample), chosen.augment).pixels
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            context = Context(self.seen.train.labels[sample], sample, 0.0)
            self.steps.append((pixels, live.answer(pixels, sample, sample), context))


def norm(loss: Tensor, weights: list[Tensor]) -> float:
    """Of the gradient with respect to all the weights together."""
    gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(g.double().square().sum().item() for g in gradients if g is not None))


def trained(method: Method, batches: Batches, fit: optim.Fit, steps: int = STEPS) -> dict[str, float | None]:
    """Ratios of the gradients' norms before the `first` step and after the `last`, and the last pass's cross-entropy.

    None: it was no number any more.
    """
    with rng.seeded(0, "weights"):
        student = build_for(recipe("kd", 0, "", 1, 1).student, batches.seen, 0, learns=True)
        adapters = method.adapters(student.sizes(), batches.sizes, len(batches.seen.train))
    student, adapters = (part.to(memory_format=torch.channels_last).train() for part in (student, adapters))
    deployed, weights = method.deployed(student, adapters), list(student.parameters())
    optimizer = optim.optimizer(fit, torch.nn.ModuleList([student, adapters]))

    def terms(step: int) -> tuple[dict[str, Tensor], Tensor]:
        pixels, answer, context = batches.steps[step % len(batches.steps)]
        outputs = student(pixels, method.student_needs)
        logits = outputs.logits if deployed is student else deployed(pixels).logits
        return method.losses(outputs, answer, context, adapters), F.cross_entropy(logits, context.labels)

    ratios, labels = [], []
    for step in range(steps + 1):
        losses, cross_entropy = terms(step)
        if step in (0, steps):
            lesson = sum((term for name, term in losses.items() if name != "label"), 0 * cross_entropy)
            ratios.append(norm(lesson, weights) / norm(cross_entropy, weights))
        labels.append(cross_entropy.item())
        optimizer.zero_grad()
        sum(losses.values()).backward()
        for group in optimizer.param_groups:
            group["lr"] = optim.learning_rate(fit, step, steps) * group.get("lr_scale", 1)
        optimizer.step()
    last_pass = labels[-len(batches.steps) :]
    values = {"first": ratios[0], "last": ratios[1], "cross_entropy": sum(last_pass) / len(last_pass)}
    return {name: float(f"{value:.3g}") if math.isfinite(value) else None for name, value in values.items()}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """One row a method, the heaviest first."""
    heads = [
        "method",
        "teacher / labels, before",
        "after, Muon",
        "after, SGD",
        "cross-entropy, Muon",
        "cross-entropy, SGD",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for label in sorted(rows, key=lambda label: -rows[label]["muon"]["first"]):
        muon, sgd = rows[label]["muon"], rows[label]["sgd"]
        ratios = (muon["first"], muon["last"], sgd["last"])
        cells = ["diverged" if value is None else f"{value:g}" for value in ratios]
        cells += ["diverged" if fit["cross_entropy"] is None else f"{fit['cross_entropy']:.2f}" for fit in (muon, sgd)]
        lines.append(f"| {' | '.join([label, *cells])} |")
    return "\n".join(lines) + "\n"


def page(result: dict[str, Any]) -> str:
    """docs/results/weights.md."""
    about = (
        f"`python benchmarks/weights.py`: ResNet-56 (published) -> resnet8, {BATCHES * BATCH:,} training images of "
        f"CIFAR-10, seed 0, {STEPS} steps of {BATCH} images, Muon as in the recipe mlperf_tiny and SGD (Nesterov) at "
        "0.05. Left: the norm of the gradient of the teacher's terms at their published weights, with respect to the "
        "student's weights, over that of plain cross-entropy. Right: what the weights did, as the cross-entropy of the "
        "last pass over these images in training mode, in nats; guessing has 2.30. Warm-ups are taken as over; "
        "`for 10 classes`: divided by what `tutelage explain` says of classes and batches."
    )
    notes = (RESULTS / "weights_notes.md").read_text()
    return f"# How heavy published weights are on ten classes\n\n{about}\n\n{table(result['rows'])}\n{notes}"


def main() -> None:
    """Measures what is asked for, keeps the rest, writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="")
    parser.add_argument("--methods", nargs="+", default=rows_wanted())
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--page", action="store_true", help="of what was measured")
    chosen = parser.parse_args()
    rows = json.loads(MEASURED.read_text())["rows"] if MEASURED.exists() else {}
    if not chosen.page:
        torch.set_num_threads(1)
        batches = Batches(chosen.teacher, BATCHES, chosen.data_root)
        for label in chosen.methods:
            rows[label] = {name: trained(after_warm_up(LABELS[label]()), batches, fit) for name, fit in FITS.items()}
            print(label, rows[label], flush=True)
            write("weights", {"rows": rows})
    MEASURED.with_suffix(".md").write_text(page(json.loads(MEASURED.read_text())))


if __name__ == "__main__":
    main()
