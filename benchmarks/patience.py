"""Accuracy against the number of views and against patience (epochs), with a teacher and without, the same images.

The recipe mlperf_tiny with a published ResNet-20 as the teacher, on a fixed part of CIFAR-10, paired seeds; val
accuracy only, the test split stays shut. A cell of the table is one recipe; each run is trained once. Resumable.

    python benchmarks/patience.py --teacher weights/cifar10_resnet20_akamaster.safetensors --data-root DIR [--seeds 0 1]
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import RESULTS, write
from tutelage import Engine, data, train
from tutelage.measure.statistics import paired_gain
from tutelage.models import Model
from tutelage.run.builtin import built_in
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.training.predictions import evaluate_run

EPOCHS = (8, 24, 72)
"""Patience: each three times the one before, at MIDDLE_VIEWS."""
VIEWS = (1, 4, 16)
"""Views that exist of every image, at MIDDLE_EPOCHS."""
MIDDLE_EPOCHS, MIDDLE_VIEWS = 24, 4


def recipe(epochs: int, views: int, seed: int, teacher: str, part: int) -> Recipe:
    """The taught run of one cell."""
    base = built_in("mlperf_tiny")
    return replace(
        base,
        data=replace(base.data, part=part),
        teacher=TeacherSpec(Model("resnet20", weights=teacher)),
        fit=replace(base.fit, epochs=epochs),
        views=views,
        seed=seed,
    )


def cells() -> list[tuple[int, int]]:
    """(epochs, views) of every cell, cheap ones first."""
    return sorted({(epochs, MIDDLE_VIEWS) for epochs in EPOCHS} | {(MIDDLE_EPOCHS, views) for views in VIEWS})


def row(epochs: int, views: int, taught: list[Recipe], runs: Path) -> dict | None:
    """One cell over the seeds of which both runs are done."""
    pairs = [(Run(runs / r.name), Run(runs / r.as_baseline.name)) for r in taught]
    done = [(a, b) for a, b in pairs if a.result("evaluation") and b.result("evaluation")]
    if not done:
        return None
    kd, alone = (
        [100 * run.result("evaluation")["val"]["top1"] for run in column] for column in zip(*done, strict=True)
    )
    images = taught[0].data.part
    return {
        "epochs": epochs,
        "views": views,
        "n": len(done),
        "alone": [round(value, 2) for value in alone],
        "taught": [round(value, 2) for value in kd],
        "gain": paired_gain(kd, alone),
        "student_passes": images * epochs,
        "teacher_passes": images * min(views, epochs),
    }


def page(rows: list[dict], settings: dict) -> str:
    """docs/results/patience.md."""
    lines = [
        "# Views and patience",
        "",
        f"`python benchmarks/patience.py`: ResNet-20 (published) -> MLPerf Tiny's ResNet-8, {settings['part']:,} "
        "images of CIFAR-10, the recipe mlperf_tiny (Muon; kd, T = 8, alpha = 0.9) against the same student alone with "
        "the same views and epochs; val accuracy (5,000 images), mean over n paired seeds, a t-interval from three on; "
        "the test split was not opened.",
    ]
    for title, chosen in (
        (f"Patience: {MIDDLE_VIEWS} views", [r for r in rows if r["views"] == MIDDLE_VIEWS]),
        (f"Views: {MIDDLE_EPOCHS} epochs", [r for r in rows if r["epochs"] == MIDDLE_EPOCHS]),
    ):
        lines += [
            "",
            f"## {title}",
            "",
            "| epochs | views | student passes | teacher passes | alone | taught | gain (95 % interval, n) |",
        ]
        lines += ["|---|---|---|---|---|---|---|"]
        for r in chosen:
            alone, taught = (f"{statistics.mean(r[name]):.2f}{_spread(r[name])}" for name in ("alone", "taught"))
            passes = f"{r['student_passes']:,} | {r['teacher_passes']:,}"
            lines.append(f"| {r['epochs']} | {r['views']} | {passes} | {alone} | {taught} | {_points(r['gain'])} |")
    notes = RESULTS / "patience_notes.md"
    return "\n".join(lines) + "\n" + ("\n" + notes.read_text() if notes.exists() else "")


def _spread(values: list[float]) -> str:
    return f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""


def _points(gain: dict[str, Any]) -> str:
    interval = "" if gain["low"] is None else f"{gain['low']:.2f} to {gain['high']:.2f}, "
    return f"{gain['mean']:+.2f} ({interval}n = {gain['n']})"


def main() -> None:
    """Trains what is missing, seed by seed, then writes docs/results/patience.json and patience.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--part", type=int, default=5_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--runs", type=Path, default=Path("runs/patience"))
    parser.add_argument("--no-training", action="store_true", help="write the page of what is done")
    chosen = parser.parse_args()
    engine = Engine(device="cpu", threads=chosen.threads, precision=chosen.precision)
    taught = {cell: [recipe(*cell, seed, chosen.teacher, chosen.part) for seed in chosen.seeds] for cell in cells()}
    for number in range(0 if chosen.no_training else len(chosen.seeds)):
        for of_cell in taught.values():
            for one in (of_cell[number], of_cell[number].as_baseline):
                run = train(one, Workspace(chosen.runs, chosen.data_root, engine))
                evaluate_run(run, data.load(one.data, chosen.data_root))
    rows = [found for cell, of_cell in taught.items() if (found := row(*cell, of_cell, chosen.runs)) is not None]
    settings = {"part": chosen.part, "seeds": chosen.seeds, "precision": chosen.precision}
    print(write("patience", settings | {"rows": rows}))
    (RESULTS / "patience.md").write_text(page(rows, settings))


if __name__ == "__main__":
    main()
