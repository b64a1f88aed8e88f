"""Is a teacher better that has not seen the images it answers? `teacher.folds` against one teacher trained on all.

Few images, so that teachers learn theirs by heart: 400 digits (a ResNet-20 teaches a ResNet-8; seconds a run) and 2,000
images of CIFAR-10 (the same networks); and 20,000, of which a teacher can miss a fifth. The same student, views, steps
and seeds in each row; the teachers of folds are trained for as many epochs as the one. Val after the last epoch; the
test split stays shut. Resumable.

    python benchmarks/crossfit.py run [--sets digits cifar10 cifar10-20000] [--data-root DIR] [--runs DIR]
    python benchmarks/crossfit.py page
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from _common import RESULTS, write
from methods import compared
from tutelage import Engine, data, train
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.measure.classifier import measure
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.optim import Fit
from tutelage.run.process import ALONE
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons

MUON = {"optimizer": "muon", "learning_rate": 0.05, "weight_decay": 0.01, "schedule": "linear"}
SETS: dict[str, dict[str, Any]] = {
    "digits": {"part": 400, "seeds": 20, "views": 4, "student": Fit(12, 64, **MUON), "teacher": Fit(30, 64, **MUON)},
    "cifar10": {"part": 2_000, "seeds": 3, "views": 8, "student": Fit(30, 64, **MUON), "teacher": Fit(30, 64, **MUON)},
    "cifar10-20000": {
        "part": 20_000,
        "seeds": 3,
        "views": 8,
        "student": Fit(12, 128, **MUON),
        "teacher": Fit(12, 128, **MUON),
        "folds": (0, 5),
    },
}
FOLDS = {"kd, one teacher": 0, "kd, 2 folds": 2, "kd, 5 folds": 5}
BASE, ALONE_ROW = "kd, one teacher", "alone"


def recipe(name: str, folds: int, seed: int) -> Recipe:
    """The taught run of one seed."""
    settings = SETS[name]
    return Recipe(
        data=Data(name.partition("-")[0], part=settings["part"]),
        student=Model("resnet8"),
        teacher=TeacherSpec(Model("resnet20"), tune="full", fit=settings["teacher"], folds=folds),
        method=KD(temperature=4.0, alpha=0.9),
        augment=Augment(crop_padding=1, flip="none") if name == "digits" else Augment(),
        fit=settings["student"],
        views=settings["views"],
        seed=seed,
    )


def on_what_it_answers(taught: Recipe, space: Workspace) -> dict[str, float]:
    """A teacher's top-1 on the first view of the images that it answers, and on val, in percent."""
    dataset = data.load(taught.data, space.data_root)
    teacher = lessons.prepare(taught, dataset, space, ALONE).teacher
    every = dataset.train.labels.new_tensor(range(len(dataset.train)))
    (view, *_) = lessons.views_used(taught)
    answers = teacher.answer(torch.empty(0), every, torch.full_like(every, view)).logits
    on_val = lessons.all_on_val(taught, dataset, space)
    assert on_val is not None
    splits = {"answered": (answers, dataset.train.labels), "val": (on_val, dataset.val.labels)}
    return {split: round(100 * measure(*answers_and_labels)["top1"], 2) for split, answers_and_labels in splits.items()}


def run(name: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """All rows of a set, seed by seed."""
    space = Workspace(chosen.runs, chosen.data_root, Engine(device="cpu", precision="fp32", threads=1))
    val: dict[str, list[float]] = {}
    folds_of = {label: folds for label, folds in FOLDS.items() if folds in SETS[name].get("folds", FOLDS.values())}
    for seed in range(SETS[name]["seeds"]):
        for label in (ALONE_ROW, *folds_of):
            taught = recipe(name, FOLDS.get(label, 0), seed)
            for own in () if label == ALONE_ROW else taught.of_teachers:
                train(own, space)
            done = train(taught.as_baseline if label == ALONE_ROW else taught, space)
            val.setdefault(label, []).append(100 * done.curve("val", "top1")[-1][1])
        print(
            f"{name}, seed {seed}: " + ", ".join(f"{label} {values[-1]:.2f}" for label, values in val.items()),
            flush=True,
        )
    teachers = {label: on_what_it_answers(recipe(name, folds, 0), space) for label, folds in folds_of.items()}
    chosen_set = SETS[name]
    settings = {"part": chosen_set["part"], "epochs": chosen_set["student"].epochs, "views": chosen_set["views"]}
    return settings | {"rows": compared(val, BASE), "teachers": teachers}


def page(result: dict[str, Any]) -> str:
    """docs/results/crossfit.md, and what crossfit_notes.md says to it."""
    machine, notes = result["machine"], RESULTS / "crossfit_notes.md"
    parts = [
        "# Teachers that have not seen what they answer",
        "",
        "`python benchmarks/crossfit.py`: `teacher.folds = K` trains K teachers, each without one K-th of the images, "
        "which it then answers. ResNet-20 -> resnet8, kd at T = 4, alpha = 0.9, Muon; top-1 in percent on val after "
        "the last epoch, the test split was not opened. +- beside a mean is the standard deviation over seeds, beside "
        "a difference half the 95 % interval of paired seeds; p by Holm. "
        f"{machine['gpu'] or machine['processor']}, float32; {result['date']}.",
        "",
    ]
    for name, measured in result["sets"].items():
        seeds = next(iter(measured["rows"].values()))["n"]
        parts += [
            f"## {name}: {measured['part']:,} images, {measured['epochs']} epochs, {measured['views']} views, "
            f"{seeds} seeds",
            "",
        ]
        parts += ["| student | val | against one teacher | p | teacher on what it answers | on val |", "|---" * 6 + "|"]
        for label, row in measured["rows"].items():
            teacher = measured["teachers"].get(label)
            cells = [label, f"{statistics.mean(row['val']):.2f} +- {statistics.stdev(row['val']):.2f}"]
            cells.append(f"{row['gain']:+.2f} +- {row['half']:.2f}" if "gain" in row else "")
            cells.append("" if "p" not in row else "< 0.001" if row["p"] < 0.001 else f"{row['p']:.3f}")
            cells += [f"{teacher[split]:.1f}" for split in ("answered", "val")] if teacher else ["", ""]
            parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts) + ("\n" + notes.read_text() if notes.exists() else "")


def main() -> None:
    """Runs the sets and writes the page, or the page alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("run", "page"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/crossfit"))
    chosen = parser.parse_args()
    file = RESULTS / "crossfit.json"
    if chosen.step == "run":
        before = json.loads(file.read_text())["sets"] if file.exists() else {}
        write("crossfit", {"sets": before | {name: run(name, chosen) for name in chosen.sets}})
    (RESULTS / "crossfit.md").write_text(page(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
