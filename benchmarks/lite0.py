"""A published ImageNet network as the teacher, without a network: EfficientNet-lite0 gets a head for CIFAR-10, then
teaches resnet20, all on the same fixed 5,000 images; and what the same weights lose where they are loaded wrongly.

The head learns from cached embeddings (docs/results/head.json says what that saves). Val accuracy only, on 5,000 other
images; the test split stays shut. Times are processor seconds of the one thread. Resumable.

    python benchmarks/lite0.py --weights weights/imagenet_tf_efficientnet_lite0.safetensors --data-root DIR
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import RESULTS, write
from tutelage import Engine, data, files, train
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.measure.classifier import measure, predict
from tutelage.measure.statistics import paired_gain
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.network import build_for
from tutelage.run.optim import Fit
from tutelage.run.process import ALONE
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons

DATA = Data("cifar10", part=5000)
PLAIN = Augment(crop_padding=0, flip="none")
RIGHT, WRONG = "timm:tf_efficientnet_lite0", "timm:efficientnet_lite0"
SIZE, VIEWS = 160, 2


def head(weights: str, *, name: str = RIGHT, size: int = SIZE) -> Recipe:
    """The run that trains a new head on the frozen network: the article's ten epochs of Adam, images as they are."""
    adam = {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0, "schedule": "constant", "warm_up": 0.0}
    fit = Fit(epochs=10, batch_size=64, **adam)
    return Recipe(
        data=DATA, student=Model(name, weights=weights, size=size), augment=PLAIN, fit=fit, tune="head", views=1
    )


def taught(teacher: Path, seed: int, epochs: int) -> Recipe:
    """resnet20 taught by a finished run of `head`."""
    return Recipe(
        data=DATA,
        student=Model("resnet20"),
        teacher=TeacherSpec(Model(RIGHT, weights=str(teacher))),
        method=KD(temperature=4.0, alpha=0.9),
        fit=Fit(epochs=epochs, batch_size=64, learning_rate=0.05, weight_decay=5e-4),
        views=VIEWS,
        seed=seed,
    )


class Stages:
    """Processor seconds of each stage, one line when it is done; what is done is not done again."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, name: str, work: Callable[[], Any]) -> dict[str, Any]:
        """What a stage found, and its `cpu_s`."""
        done = {line["stage"]: line for line in files.read_lines(self.path)}
        if name not in done:
            begun = time.process_time()
            found = work()
            done[name] = {"stage": name, "cpu_s": round(time.process_time() - begun, 1)} | (found or {})
            files.append_line(self.path, done[name])
            print(done[name], flush=True)
        return done[name]


def in_the_wrong_network(run: Run, dataset: DataSet) -> dict[str, Any]:
    """A finished teacher on its first 1,000 val images, and what it says there under the other name."""
    some = MemoryImages(dataset.val.images[:1000], dataset.val.labels[:1000])
    found = {}
    for name in (RIGHT, WRONG):
        model = replace(run.recipe.student, name=name, weights=str(run.weights))
        found[name] = measure(predict(build_for(model, dataset, 0), some), some.labels)
    return {"val": found[WRONG], "right": found[RIGHT]}


def measured(weights: str, seeds: list[int], epochs: int, runs: Path, data_root: Path | None) -> dict[str, Any]:
    """Everything, stage by stage, seed by seed."""
    exact = Engine(device="cpu", threads=1)
    fast = replace(exact, precision="bf16")
    dataset = data.load(DATA, data_root)
    stage = Stages(runs / "lite0.jsonl")

    def fit(recipe: Recipe, engine: Engine) -> dict[str, Any]:
        run = train(recipe, Workspace(runs, data_root, engine))
        val = {name: run.curve("val", name)[-1][1] for name in ("top1", "nll", "ece")}
        return {"val": val, "passes": run.result("cost")["teacher_passes_paid"]}

    def answers(recipe: Recipe) -> dict[str, Any]:
        return {"passes": lessons.prepare(recipe, dataset, Workspace(runs), ALONE).paid}

    teacher = Run(runs / head(weights).name)
    stages = {"teacher": stage("teacher", lambda: fit(head(weights), exact))}
    stages["answers"] = stage("answers", lambda: answers(taught(teacher.path, seeds[0], epochs)))
    rows: dict[str, list[dict[str, Any]]] = {"alone": [], "taught": []}
    for seed in seeds:
        recipe = taught(teacher.path, seed, epochs)
        rows["alone"].append(stage(f"alone {seed}", lambda r=recipe.as_baseline: fit(r, fast)))
        rows["taught"].append(stage(f"taught {seed}", lambda r=recipe: fit(r, fast)))
        if seed == seeds[:2][-1]:  # before a third seed, so that they are there early
            stages["at 32 pixels"] = stage("at 32 pixels", lambda: fit(head(weights, size=32), exact))
            stages["wrong when loaded"] = stage("wrong when loaded", lambda: in_the_wrong_network(teacher, dataset))
    stages["wrong network"] = stage("wrong network", lambda: fit(head(weights, name=WRONG), exact))
    return stages | rows


def result(found: dict[str, Any], seeds: list[int], epochs: int) -> dict[str, Any]:
    """What docs/results/lite0.json holds."""
    top1 = {name: [round(100 * row["val"]["top1"], 2) for row in found[name]] for name in ("alone", "taught")}
    gain = paired_gain(top1["taught"], top1["alone"])
    students = {
        name: {"val_top1": top1[name], "cpu_s": round(statistics.mean(row["cpu_s"] for row in found[name]), 1)}
        for name in top1
    }
    teachers = {
        name: {"val_top1": round(100 * row["val"]["top1"], 2), "nll": round(row["val"]["nll"], 3)}
        | {"ece": round(row["val"]["ece"], 3), "cpu_s": row["cpu_s"], "passes": row.get("passes", 0)}
        for name, row in found.items()
        if name in ("teacher", "at 32 pixels", "wrong network", "wrong when loaded")
    }
    lost = {name: round(teachers["teacher"]["val_top1"] - row["val_top1"], 2) for name, row in teachers.items()}
    loaded = found["wrong when loaded"]
    lost["wrong when loaded"] = round(100 * (loaded["right"]["top1"] - loaded["val"]["top1"]), 2)
    return {
        "train": DATA.part,
        "val": 5000,
        "size": SIZE,
        "epochs": epochs,
        "seeds": seeds,
        "teachers": teachers,
        "lost": {name: points for name, points in lost.items() if name != "teacher"},
        "answers": {key: found["answers"][key] for key in ("cpu_s", "passes")},
        "students": students,
        "gain": {key: None if gain[key] is None else round(gain[key], 3) for key in ("mean", "n", "low", "high")},
    }


def page(result: dict[str, Any]) -> str:
    """docs/results/lite0.md."""
    teachers, students, gain = result["teachers"], result["students"], result["gain"]
    words = {
        "teacher": f"`{RIGHT}`, {result['size']} pixels",
        "at 32 pixels": f"`{RIGHT}`, 32 pixels: the images as they come",
        "wrong network": f"`{WRONG}`, the same file, {result['size']} pixels",
        "wrong when loaded": f"the first row's weights, head and all, loaded as `{WRONG}`",
    }
    lines = [
        "# EfficientNet-lite0 teaches resnet20",
        "",
        "`python benchmarks/lite0.py --weights imagenet_tf_efficientnet_lite0.safetensors`: published ImageNet weights,"
        f" a new head trained on {result['train']:,} images of CIFAR-10 (10 epochs of Adam from cached embeddings, "
        "images resized inside the network), then resnet20 from it on the same images; val accuracy on "
        f"{result['val']:,} others, the test split was not opened. Times are processor seconds of one thread.",
        "",
        "| teacher | val top-1 | NLL | ECE | seconds | images through the backbone |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in teachers.items():
        lines.append(
            f"| {words[name]} | {row['val_top1']:.2f} % | {row['nll']:.3f} | {row['ece']:.3f} | {row['cpu_s']:.0f} | "
            f"{row['passes']:,} |"
        )
    lost = result["lost"]
    lines += [
        "",
        "The two names hold the same tensors under the same names, so either loads without an error; padding and "
        f"BatchNorm's eps differ. A head trained in the wrong network loses {lost['wrong network']:.2f} points; a "
        f"trained teacher loaded under the wrong name loses {lost['wrong when loaded']:.2f} (its row: 1,000 images "
        f"only). Without resizing, at 32 pixels, the same weights lose {lost['at 32 pixels']:.2f}: "
        "`--teacher.model.size` is the flag.",
        "",
        f"Answers to {VIEWS} views of the {result['train']:,} images: {result['answers']['cpu_s']:.0f} seconds, "
        "paid once for all methods and seeds.",
        "",
        "| student | val top-1, by seed | mean | seconds a run |",
        "|---|---|---|---|",
    ]
    for name, label in (("alone", "resnet20 alone"), ("taught", "resnet20 taught, kd (T = 4, alpha = 0.9)")):
        top1 = students[name]["val_top1"]
        each = ", ".join(f"{value:.2f}" for value in top1)
        lines.append(f"| {label} | {each} | {statistics.mean(top1):.2f} % | {students[name]['cpu_s']:.0f} |")
    interval = "" if gain["low"] is None else f" (95 %: {gain['low']:.2f} to {gain['high']:.2f})"
    lines += [
        "",
        f"{result['epochs']} epochs, SGD 0.05, cosine, batch 64, {VIEWS} views. Paired gain: {gain['mean']:+.2f} "
        f"points{interval}, n = {gain['n']}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Does what is missing, then writes docs/results/lite0.json and lite0.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--runs", type=Path, default=Path("runs/lite0"))
    chosen = parser.parse_args()
    found = measured(chosen.weights, chosen.seeds, chosen.epochs, chosen.runs, chosen.data_root)
    numbers = result(found, chosen.seeds, chosen.epochs)
    print(write("lite0", numbers))
    (RESULTS / "lite0.md").write_text(page(numbers))


if __name__ == "__main__":
    main()
