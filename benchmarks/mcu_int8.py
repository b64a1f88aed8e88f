"""What 8 bits cost MobileNetV2 and EfficientNet-lite0 (ReLU6) on a microcontroller, as they are and finished in 8 bits.

Photos of 64 pixels (make_photos.py), half of them val. EfficientNet-lite0 starts from ImageNet's weights, MobileNetV2
of half the width from random ones, each trained alone. Each becomes a file of 8 bits as it is and after more epochs in
8 bits, and TensorFlow Lite Micro runs both files on all of val. Intervals are bootstraps over val's images, paired with
PyTorch's answers: they say nothing of other seeds. The test photos are not read. Resumable. TUTELAGE_DATA names the
folder of CIFAR-10, TUTELAGE_WEIGHTS that of the weights; needs tutelage[mcu] and the converters' environment.

    python benchmarks/mcu_int8.py [--only mobilenetv2] [--finish 2] [--work /tmp/mcu-int8]
"""

import argparse
import copy
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model

from _common import RESULTS, write
from tutelage import data, files
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.data.splits import DataSet
from tutelage.edge.flatbuffer import micro
from tutelage.export import task_of
from tutelage.export.finish import finished
from tutelage.export.litert import write_micro
from tutelage.export.micro import answers
from tutelage.export.needs import needs
from tutelage.export.task import Task
from tutelage.measure.statistics import image_interval
from tutelage.models import Model
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training.loop import train

IMAGES, SIZE = 2000, 64
"""Of each class; and their side in pixels."""
PART = 2500
"""Photos to learn from."""
ENGINE = Engine(device="cpu", threads=1)


def recipes(photos: str, weights: str) -> dict[str, Recipe]:
    """Pretrained: the numbers of the photos' recipe for such; from random weights: more epochs, by Muon."""
    gentle = Fit(epochs=4, batch_size=32, learning_rate=0.01, weight_decay=1e-4, clip_norm=1.0)
    common = {
        "data": Data(photos, size=SIZE, val_share=0.5, part=PART),
        "augment": Augment(crop_padding=0, crop_scale=0.35),
    }
    lite0 = Model("timm:tf_efficientnet_lite0", weights=os.path.join(weights, LITE0))
    scratch = Fit(20, 64, optimizer="muon", learning_rate=0.05, weight_decay=0.01, schedule="linear")
    return {
        "efficientnet_lite0": Recipe(student=lite0, fit=gentle, norms="frozen", **common),
        "mobilenetv2_050": Recipe(student=Model("timm:mobilenetv2_050"), fit=scratch, **common),
    }


LITE0 = "imagenet_tf_efficientnet_lite0.safetensors"


def main() -> None:
    """Does what is missing, prints and writes docs/results/mcu_int8.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--finish", type=int, default=2, help="epochs")
    parser.add_argument("--work", type=Path, default=Path("/tmp/mcu-int8"), help="photos, runs and files")
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = given.work.resolve()
    if not (work / "photos").exists():
        make = [sys.executable, str(Path(__file__).parent / "make_photos.py"), str(work / "photos")]
        subprocess.run([*make, "--images", str(IMAGES)], check=True)
    for name, recipe in recipes(str(work / "photos"), os.environ["TUTELAGE_WEIGHTS"]).items():
        if given.only in name and not (work / f"{name}.json").exists():
            files.write_json(work / f"{name}.json", of_student(recipe, given.finish, work))
        print(name, files.read_json(work / f"{name}.json") if (work / f"{name}.json").exists() else "is not there yet")
    rows = [files.read_json(path) for path in sorted(work.glob("*.json"))]
    print(write("mcu_int8", {"size": SIZE, "rows": rows}), RESULTS)


def of_student(recipe: Recipe, epochs: int, work: Path) -> dict[str, Any]:
    """A student in float, in 8 bits, and in 8 bits after some more epochs."""
    run = train(recipe, Workspace(work / "runs", engine=ENGINE))
    dataset = data.load(recipe.data)
    task = task_of(run, dataset)
    labels = dataset.val.labels.numpy()
    exact = task.logits.argmax(1).numpy() == labels
    row: dict[str, Any] = {
        "student": recipe.student.name,
        "pretrained": bool(recipe.student.weights),
        "epochs": recipe.fit.epochs,
        "finish": epochs,
        "train": len(dataset.train),
        "val": len(labels),
        "float": _accuracy(exact),
    }
    for name, network in networks(run, dataset, task, epochs).items():
        measured = run.path / f"{name}.json"
        if not measured.exists():
            rounded = dataclasses.replace(task, network=network())
            files.write_json(measured, _in_micro(rounded, exact))
        row[name] = files.read_json(measured)
        print(recipe.student.name, name, row[name], flush=True)
    return row


def networks(run: Run, dataset: DataSet, task: Task, epochs: int) -> dict[str, Callable[[], Any]]:
    """What is written down in 8 bits."""

    def longer() -> Any:
        file, network = run.path / f"finished-{epochs}.safetensors", copy.deepcopy(task.network)
        if not file.exists():
            with files.appearing(file) as beside:
                save_model(finished(run, dataset, task, epochs, ENGINE), beside)
        load_model(network, file)
        return network.eval()

    return {"plain": lambda: task.network, "finished": longer}


def _in_micro(task: Task, exact: np.ndarray) -> dict[str, Any]:
    """A file of 8 bits on all of val in TensorFlow Lite Micro.

    Args:
        task: What becomes one.
        exact: Whether PyTorch's float answers of the student as it was trained are right.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student-int8.tflite"
        write_micro(task, path)
        answered, taken = answers(micro(path).program, task.dataset.val, path.name), needs(path)
    right = answered.argmax(1) == task.dataset.val.labels.numpy()
    lost = exact.astype(float) - right
    low, high = image_interval(lost)
    return _accuracy(right) | {"drop": float(lost.mean()), "drop_low": low, "drop_high": high} | taken.told()


def _accuracy(right: np.ndarray) -> dict[str, float]:
    low, high = image_interval(right)
    return {"val_top1": float(right.mean()), "low": low, "high": high}


if __name__ == "__main__":
    main()
