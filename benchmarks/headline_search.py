"""What was tried for the headline's recipe: one thing changed at a time, on val; the test split stays shut.

Every trial is the recipe mlperf_tiny as it was by SGD, by kd where nothing else is said, with one change, on all
training images, for 12 epochs in place of 60 and with one seed; what changes the training rather than the teaching is
tried without a teacher too. A run is found again by its recipe. Several processes may share the trials: each takes
those that --only names, and --page writes what is done.

    python benchmarks/headline_search.py --weights DIR --data-root DIR [--only "batch 64"] [--page]

DIR of --weights holds the published cifar10_resnet20_akamaster and its deeper siblings (.safetensors).
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import RESULTS, by_sgd, write
from headline import taught_by_resnet20
from tutelage import Engine, data, files, train
from tutelage.methods.dist import DIST
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.methods.logit_mse import LogitMSE
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.training.predictions import evaluate_run

FIRST = "where it began: ResNet-20, kd, T = 4, alpha = 0.9; batch 128, rate 0.1, decay 5e-4"
EPOCHS = 12
Change = Callable[[Recipe], Recipe]


def method(chosen: Any) -> Change:
    """Another method, or the same with other numbers."""
    return lambda recipe: replace(recipe, method=chosen)


def fit(**values: Any) -> Change:
    """Another way of training the student."""
    return lambda recipe: replace(recipe, fit=replace(recipe.fit, **values))


def augment(**values: Any) -> Change:
    """Other views."""
    return lambda recipe: replace(recipe, augment=replace(recipe.augment, **values))


def taught_by(*depths: int) -> Change:
    """The published ResNets of these depths, an ensemble where they are several."""
    return lambda recipe: _of_teachers(recipe, [_teacher(recipe.taught_by[0], depth) for depth in depths])


def _teacher(spec: TeacherSpec, depth: int) -> TeacherSpec:
    weights = os.path.join(os.path.dirname(spec.model.weights), f"cifar10_resnet{depth}_akamaster.safetensors")
    return replace(spec, model=replace(spec.model, name=f"resnet{depth}", weights=weights))


def _of_teachers(recipe: Recipe, specs: list[TeacherSpec]) -> Recipe:
    if len(specs) == 1:
        return replace(recipe, teacher=specs[0])
    return replace(recipe, teacher=None, teachers=tuple(specs))


TEACHING: dict[str, Change] = {
    "T = 8": method(KD(temperature=8.0, alpha=0.9)),
    "T = 2": method(KD(temperature=2.0, alpha=0.9)),
    "alpha = 1 (no labels)": method(KD(temperature=4.0, alpha=1.0)),
    "alpha = 0.5": method(KD(temperature=4.0, alpha=0.5)),
    "logit_mse": method(LogitMSE()),
    "dist": method(DIST()),
    "dkd": method(DKD()),
    "ResNet-32": taught_by(32),
    "ResNet-20 and ResNet-32, an ensemble": taught_by(20, 32),
}
"""What changes the teaching alone."""

TRAINING: dict[str, Change] = {
    "batch 64": fit(batch_size=64),
    "rate 0.2": fit(learning_rate=0.2),
    "rate 0.05": fit(learning_rate=0.05),
    "weight decay 1e-4": fit(weight_decay=1e-4),
    "weight decay 1e-3": fit(weight_decay=1e-3),
    "averaged weights (EMA 0.999)": fit(ema=0.999),
    "crops from a border of 2 pixels": augment(crop_padding=2),
    "mixup": augment(mix="mixup"),
    "CutMix": augment(mix="cutmix"),
}
"""What changes the training, with a teacher or without."""


def trials(weights: str) -> dict[str, tuple[Recipe, Recipe | None]]:
    """By what is said of it: the taught recipe, and the one alone where the change has a meaning there."""
    start = taught_by_resnet20(by_sgd(), weights, 0)
    start = replace(start, fit=replace(start.fit, epochs=EPOCHS))
    teaching = {name: (change(start), None) for name, change in TEACHING.items()}
    training = {name: (change(start), change(start).as_baseline) for name, change in TRAINING.items()}
    return {FIRST: (start, start.as_baseline)} | teaching | training


def rows(found: dict[str, tuple[Recipe, Recipe | None]], runs: Path) -> list[dict[str, Any]]:
    """Val top-1 of what is done, in percent."""
    lines = []
    for name, pair in found.items():
        values = [_val(runs, one) for one in pair]
        if values != [None, None]:
            lines.append({"tried": name, "taught": values[0], "alone": values[1]})
    return lines


def _val(runs: Path, recipe: Recipe | None) -> float | None:
    evaluation = Run(runs / recipe.name).result("evaluation") if recipe else None
    return round(100 * evaluation["val"]["top1"], 2) if evaluation else None


def page(result: dict[str, Any]) -> str:
    """docs/results/headline_search.md: every trial against the first, and what headline_search_notes.md says to it."""
    (first, *others), notes = result["rows"], RESULTS / "headline_search_notes.md"
    lines = [
        "# What was tried for the headline's recipe",
        "",
        "`python benchmarks/headline_search.py`: the recipe mlperf_tiny by kd with one change at a time, 45,000 images "
        f"and {result['epochs']} epochs (not 60), one seed; top-1 on the 5,000 images of val, the test split was not "
        "opened. What changes the teaching alone was not tried without a teacher.",
        "",
        "| tried | taught | | alone | |",
        "|---|---|---|---|---|",
    ]
    lines.append(f"| {first['tried']} | {first['taught']:.2f} % | | {first['alone']:.2f} % | |")
    for row in others:
        cells = [_cells(row[column], first[column]) for column in ("taught", "alone")]
        lines.append(f"| {row['tried']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + ("\n" + notes.read_text() if notes.exists() else "")


def _cells(value: float | None, start: float) -> str:
    return " | " if value is None else f"{value:.2f} % | {value - start:+.2f}"


def main() -> None:
    """Trains what is missing and named, then writes docs/results/headline_search.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--only", nargs="+", default=[], help="words of the trials to make; all")
    parser.add_argument("--page", action="store_true", help="train nothing, write what is done")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    chosen = parser.parse_args()
    engine = Engine(device="cpu", threads=chosen.threads, precision=chosen.precision)
    found = trials(chosen.weights)
    for name, pair in found.items():
        if chosen.page or (chosen.only and not any(words in name for words in chosen.only)):
            continue
        for one in filter(None, pair):
            run = train(one, Workspace(chosen.runs, chosen.data_root, engine))
            evaluate_run(run, data.load(one.data, chosen.data_root))
    done = rows(found, chosen.runs)
    path = write("headline_search", {"epochs": EPOCHS, "seeds": [0], "precision": chosen.precision, "rows": done})
    path.with_suffix(".md").write_text(page(files.read_json(path)))
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
