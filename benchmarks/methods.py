"""Every method at its published defaults on the same real images: what it brings, costs and remembers.

ResNet-56 (published weights) -> resnet8 on a fixed part of CIFAR-10, paired seeds, the same views and budget for all;
val accuracy only, the test split stays shut. Two processes may share the work: each run is trained once. Resumable.

    python benchmarks/methods.py --teacher weights/cifar10_resnet56_akamaster.safetensors --data-root DIR [--seeds 0 1]
"""

import argparse
import os
import statistics
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from _common import write
from tutelage import UserError, files
from tutelage.data import Data
from tutelage.methods import METHODS, method_class
from tutelage.models import Model
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace

CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "sem_ckd, gradient clipped at 1": ("sem_ckd", {"clip_norm": 1.0}),
    "sem_ckd, weight 4": ("sem_ckd", {"teacher_weight": 4.0}),
    "simkd, learning rate 0.2": ("simkd", {"learning_rate": 0.2}),
    "baseline, learning rate 0.2": ("baseline", {"learning_rate": 0.2}),
    "simkd, 18 epochs": ("simkd", {"epochs": 18}),
    "baseline, 18 epochs": ("baseline", {"epochs": 18}),
}
"""Experiments on those that end below the baseline or not at all: label -> method, and fields of it or of `fit`."""

PAGE = Path(__file__).parent.parent / "docs" / "results" / "methods.md"


def recipe(label: str, seed: int, teacher: str, part: int, epochs: int) -> Recipe:
    """The run of one method (or one of CHANGED) and seed."""
    method, changes = CHANGED.get(label, (label, {}))
    own = {f.name for f in fields(method_class(method))}
    chosen = method_class(method)(**{name: value for name, value in changes.items() if name in own})
    of_fit = {name: value for name, value in changes.items() if name not in own}
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    spec = TeacherSpec(Model("resnet56", weights=teacher, **imagenet))
    return Recipe(
        data=Data("cifar10", part=part),
        student=Model("resnet8"),
        teacher=spec if chosen.needs else None,
        method=chosen,
        fit=replace(Fit(epochs=epochs, batch_size=64, learning_rate=0.05, weight_decay=1e-4), **of_fit),
        views=3,
        seed=seed,
    )


def train_apart(chosen: Recipe, runs: Path, data_root: Path | None, threads: int) -> None:
    """One run in a process of its own, so that its peak memory is its own; nothing where it is done."""
    from tutelage.run.folder import Run

    path = Run.of(chosen, runs).path
    if (path / "memory.json").exists():
        return
    child = os.fork()
    if child == 0:
        os._exit(_train(chosen, runs, data_root, threads))
    _, status, usage = os.wait4(child, 0)
    if status == 0:
        files.write_json(path / "memory.json", {"peak_mib": round(usage.ru_maxrss / 1024)})


def _train(chosen: Recipe, runs: Path, data_root: Path | None, threads: int) -> int:
    from tutelage import Engine, data, train
    from tutelage.training.predictions import evaluate_run

    try:
        run = train(chosen, Workspace(runs, data_root, Engine(device="cpu", threads=threads)))
        evaluate_run(run, data.load(chosen.data, data_root))
    except UserError as error:
        print(f"{chosen.name}: {error}")
        return 1
    return 0


def gather(runs: Path, recipes: dict[str, list[Recipe]]) -> list[dict]:
    """One row a method, over the seeds that are done."""
    from tutelage.run.folder import Run

    rows = []
    for name, of_method in recipes.items():
        done = [run for run in (Run.of(r, runs) for r in of_method) if run.result("memory") is not None]
        if not done:
            continue
        val = [run.result("evaluation")["val"] for run in done]
        top1 = [100 * v["top1"] for v in val]
        agreement = [100 * v["agreement"] for v in val if "agreement" in v]
        steps = [run.result("cost")["images"] / 64 for run in done]
        ms = [1000 * run.result("cost")["seconds"] / n for run, n in zip(done, steps, strict=True)]
        rows.append(
            {
                "method": name,
                "n": len(done),
                "val_top1": round(statistics.mean(top1), 2),
                "spread": round(statistics.stdev(top1), 2) if len(top1) > 1 else None,
                "agreement": round(statistics.mean(agreement), 2) if agreement else None,
                "ms_per_step": round(statistics.median(ms), 1),
                "peak_mib": max(run.result("memory")["peak_mib"] for run in done),
            }
        )
    return rows


def page(rows: list[dict], settings: dict) -> str:
    """docs/results/methods.md."""
    base = next((row for row in rows if row["method"] == "baseline"), None)
    lines = [
        "# Every method at its published defaults, the same images and budget",
        "",
        f"`python benchmarks/methods.py`: ResNet-56 (published) -> resnet8, {settings['part']:,} images of CIFAR-10, "
        f"{settings['epochs']} epochs, batch 64, 3 views, seeds {settings['seeds']}; val accuracy (5,000 images), "
        "the test split was not opened. Time includes validation after each epoch.",
        "",
        "| method | val top-1 | against baseline | agreement with teacher | ms a step | peak memory | n |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -row["val_top1"]):
        gain = "" if base is None or row is base else f"{row['val_top1'] - base['val_top1']:+.2f}"
        spread = "" if row["spread"] is None else f" +- {row['spread']:.2f}"
        agreement = "" if row["agreement"] is None else f"{row['agreement']:.2f} %"
        lines.append(
            f"| {row['method']} | {row['val_top1']:.2f}{spread} % | {gain} | {agreement} | {row['ms_per_step']} | "
            f"{row['peak_mib']:,} MiB | {row['n']} |"
        )
    notes = PAGE.with_name("methods_notes.md")
    return "\n".join(lines) + "\n" + ("\n" + notes.read_text() if notes.exists() else "")


def main() -> None:
    """Trains what is missing, then writes docs/results/methods.json and methods.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *CHANGED])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--part", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--train-only", type=int, nargs="*", help="train these seeds and write no page")
    parser.add_argument("--no-training", action="store_true", help="write the page of what is done")
    chosen = parser.parse_args()
    recipes = {
        name: [recipe(name, seed, chosen.teacher, chosen.part, chosen.epochs) for seed in chosen.seeds]
        for name in chosen.methods
    }
    wanted = chosen.seeds if chosen.train_only is None else chosen.train_only
    wanted = [] if chosen.no_training else wanted
    for of_method in recipes.values():
        for one in of_method:
            if one.seed in wanted:
                train_apart(one, chosen.runs, chosen.data_root, chosen.threads)
    if chosen.train_only is not None:
        return
    settings = {"part": chosen.part, "epochs": chosen.epochs, "seeds": chosen.seeds}
    rows = gather(chosen.runs, recipes)
    print(write("methods", settings | {"rows": rows}))
    PAGE.write_text(page(rows, settings))


if __name__ == "__main__":
    main()
