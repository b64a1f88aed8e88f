"""MLPerf Tiny's ResNet-8 as a file for microcontrollers, published and ours: accuracy in TensorFlow Lite Micro, flash
and RAM.

- The published weights, exported here: all 10,000 test images of CIFAR-10 go through the micro interpreter, and the
  first 1,000 through LiteRT's plain kernels too. The test split is opened once, on the record.
- The benchmark's own .tflite file of the same weights, where --tflite names it, the same way.
- Our student of the headline's recipe (headline.py), for as many epochs as one core can, on val alone: the test split
  stays shut for it. It is trained here, or taken from RUNS where it is finished; the same command goes on.

Needs tutelage[mcu] and the converters' environment (tutelage export --make-converters).

    python benchmarks/mcu.py --weights DIR --data-root DIR [--tflite pretrainedResnet_quant.tflite] [--epochs 60]

DIR of --weights holds the published cifar10_resnet20_akamaster and cifar10_resnet8_mlperftiny (.safetensors).
pretrainedResnet_quant.tflite is in https://github.com/mlcommons/tiny, benchmark/training/image_classification.
"""

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mcu_page
from _common import write
from headline import PUBLISHED, TEACHER, taught_by_resnet20
from mlperf_tiny import task_of
from tutelage import Engine, data, files, train
from tutelage.data import Data
from tutelage.data.images import Images
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.data.test_split import open_test
from tutelage.edge.flatbuffer import litert, micro
from tutelage.export import export
from tutelage.export.litert import write_micro
from tutelage.export.micro import answers
from tutelage.export.needs import needs
from tutelage.export.task import Micro
from tutelage.measure.classifier import measure, predict
from tutelage.models.count import macs
from tutelage.run import builtin
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace

COMPARED = 1000
"""Test images that LiteRT runs too."""


def main() -> None:
    """Prints and writes docs/results/mcu.json and mcu.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--tflite", type=Path, help="the benchmark's own file of 8 bits")
    parser.add_argument("--epochs", type=int, default=60, help="of our student")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--ledger", type=Path, default=Path("runs/test_openings.jsonl"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(Data("cifar10"), chosen.data_root)
    result = on_test(chosen, dataset)
    result["ours"] = of_ours(recipe(chosen.weights, chosen.epochs), dataset, chosen.runs)
    print(write("mcu", result))
    mcu_page.write()


def on_test(chosen: argparse.Namespace, dataset: DataSet) -> dict[str, Any]:
    """What is published, on test; what was measured once is read again."""
    measured = chosen.runs / "mcu-on-test.json"
    if not measured.exists():
        test = open_test(dataset, chosen.ledger, run="mcu", reason="published weights in TensorFlow Lite Micro")
        result = {"published": of_published(os.path.join(chosen.weights, PUBLISHED), dataset, test)}
        if chosen.tflite:
            result["tflite"] = {"file": chosen.tflite.name, "sha256": files.file_digest(chosen.tflite)}
            result["tflite"] |= {"test_top1": right(chosen.tflite, test), **needs(chosen.tflite).told()}
        files.write_json(measured, result)
    return files.read_json(measured)


def recipe(weights: str, epochs: int) -> Recipe:
    """The built-in recipe with the headline's teacher, for so many epochs."""
    chosen = taught_by_resnet20(builtin.built_in("mlperf_tiny"), weights, seed=0)
    return dataclasses.replace(chosen, fit=dataclasses.replace(chosen.fit, epochs=epochs))


def of_ours(chosen: Recipe, dataset: DataSet, runs: Path) -> dict[str, Any]:
    """Our student on val: in float, and in 8 bits by TensorFlow Lite Micro."""
    run = train(chosen, Workspace(runs, dataset.root, Engine(device="cpu", threads=1)))
    export(run, dataset, ("mcu",), force=True)
    found = run.result("export")["mcu"]
    engine = files.read_json(run.path / "environment.json")["engine"]
    plain = chosen.to_dict()
    plain["teacher"]["model"]["weights"] = TEACHER
    return {
        "recipe": plain,
        "precision": engine["precision"],
        "training_s": run.result("cost")["seconds"],
        "val_images": found["images"],
        "pytorch_val_top1": found["val_top1"] + found["drop"],
        "micro_val_top1": found["val_top1"],
        "same_predictions": found["same_predictions"],
        "litert_steps_apart": found["litert_steps_apart"],
        **{name: found[name] for name in ("flash_bytes", "ram_bytes", "operators", "macs")},
    }


def of_published(weights: str, dataset: DataSet, test: Images) -> dict[str, Any]:
    """The published weights on test: in float, and in 8 bits by TensorFlow Lite Micro."""
    task = dataclasses.replace(task_of(weights, dataset), micro=Micro())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student-int8.tflite"
        write_micro(task, path)
        some = MemoryImages(test.images[:COMPARED], test.labels[:COMPARED])
        answered = answers(micro(path).program, test, "TensorFlow Lite Micro")
        beside = answers(litert(path, reference=True), some, "LiteRT")
        taken = needs(path)
    pytorch = predict(task.network, test)
    return {
        "network": "mlperf_tiny_resnet8",
        "weights_sha256": files.file_digest(Path(weights)),
        "test_images": len(test),
        "pytorch_test_top1": measure(pytorch, test.labels)["top1"],
        "micro_test_top1": float((answered.argmax(1) == test.labels.numpy()).mean()),
        "same_predictions": float((answered.argmax(1) == pytorch.argmax(1).numpy()).mean()),
        "compared_with_litert": len(beside),
        "litert_steps_apart": int(np.abs(answered[: len(beside)] - beside).max()),
        "macs": macs(task.network, (1, 3, 32, 32)),
        **taken.told(),
    }


def right(path: Path, images: Images) -> float:
    """The share of images that a file of 8 bits has right in TensorFlow Lite Micro."""
    answered = answers(micro(path).program, images, path.name)
    return float((answered.argmax(1) == images.labels.numpy()).mean())


if __name__ == "__main__":
    main()
