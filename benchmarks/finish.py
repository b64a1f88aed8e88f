"""What finishing in 8 bits is worth where static int8 loses accuracy: a mobile network on the enlarged digits.

timm's mobilenetv3_small_050 sees the digits at 32 pixels, taught by the recipe's resnet20; 40 % of the training images
are val, so that one image is 0.17 points. Each seed's student becomes an int8 file as it is, and after some more epochs
in 8 bits; which of the two is better on val decides nothing here. All data comes with scikit-learn.

    python benchmarks/finish.py [--seeds 0 1 2 3 4] [--epochs 3] [--work /tmp/finish]
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _common import write
from tutelage import data
from tutelage.data import Data
from tutelage.data.splits import DataSet
from tutelage.edge.runtimes import open_file
from tutelage.export import task_of
from tutelage.export.finish import finished
from tutelage.export.onnx_files import write_int8
from tutelage.export.task import Task
from tutelage.measure.statistics import paired_gain
from tutelage.models import Model
from tutelage.run.builtin import built_in
from tutelage.run.engine import Engine
from tutelage.run.workspace import Workspace
from tutelage.training.loop import train

STUDENT = Model("timm:mobilenetv3_small_050", size=32)


def main() -> None:
    """Prints and writes docs/results/finish.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/finish"), help="runs and files")
    given = parser.parse_args()
    torch.set_num_threads(1)
    digits = built_in("digits")
    fit = dataclasses.replace(digits.fit, epochs=12, learning_rate=0.05)
    recipe = dataclasses.replace(digits, data=Data("digits", val_share=0.4), student=STUDENT, fit=fit, views=4)
    dataset = data.load(recipe.data)
    rows = []
    for seed in given.seeds:
        of_seed = dataclasses.replace(recipe, seed=seed)
        run = train(of_seed, Workspace(given.work / "runs", engine=Engine(device="cpu", threads=1)))
        task = task_of(run, dataset)
        tuned = dataclasses.replace(task, network=finished(run, dataset, task, given.epochs))
        row = {"seed": seed, "float": right(task.logits.numpy(), dataset)}
        row |= {"static": of_file(task, given.work / "static.onnx"), "finished": of_file(tuned, given.work / "on.onnx")}
        rows.append(row)
        print("seed {seed}: float {float:.2%}, int8 {static:.2%}, finished {finished:.2%}".format(**row), flush=True)
    result: dict[str, Any] = {"student": STUDENT.name, "val": len(dataset.val), "epochs": given.epochs, "rows": rows}
    for name, (one, other) in {"lost": ("static", "float"), "gained": ("finished", "static")}.items():
        result[name] = paired_gain([row[one] for row in rows], [row[other] for row in rows])
        print(f"{one} - {other}: {result[name]}")
    print(write("finish", result))


def of_file(task: Task, path: Path) -> float:
    """Accuracy on val of an int8 file, as ONNX Runtime computes it."""
    write_int8(task, path)
    student = open_file(path)
    pixels = task.dataset.val.plain(torch.arange(len(task.dataset.val))).numpy()
    return right(np.concatenate([student.infer(part) for part in np.array_split(pixels, 20)]), task.dataset)


def right(logits: np.ndarray, dataset: DataSet) -> float:
    """The share of val that is classified right."""
    return float((logits.argmax(1) == dataset.val.labels.numpy()).mean())


if __name__ == "__main__":
    main()
