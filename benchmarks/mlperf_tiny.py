"""MLPerf Tiny's published ResNet-8 through our evaluation and our int8 export: accuracy on CIFAR-10 test in both.

The weights are the benchmark's own (trained on all 50,000 training images, so val is not held out for them); int8 is
calibrated on training images. The test split is opened once, on the record.

    python benchmarks/mlperf_tiny.py --weights weights/cifar10_resnet8_mlperftiny.safetensors --data-root DIR
"""

import argparse
import tempfile
from pathlib import Path

import torch

from _common import write
from tutelage import data, files
from tutelage.data import DATASETS, Data
from tutelage.data.splits import DataSet
from tutelage.data.test_split import open_test
from tutelage.edge import card
from tutelage.export import export_file
from tutelage.export.formats import FORMATS
from tutelage.export.measuring import run_file
from tutelage.export.onnx_files import CALIBRATION_IMAGES
from tutelage.export.task import Task
from tutelage.measure.classifier import measure, predict
from tutelage.models import DataSpec, Model, build
from tutelage.models.count import parameters

TARGET = 0.85
"""MLPerf Tiny's quality target for the int8 network."""


def main() -> None:
    """Prints and writes docs/results/mlperf_tiny.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--ledger", type=Path, default=Path("runs/test_openings.jsonl"))
    parser.add_argument("--name", default="mlperf_tiny")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(Data("cifar10"), chosen.data_root)
    task = task_of(chosen.weights, dataset)
    test = open_test(dataset, chosen.ledger, run="mlperf_tiny", reason="published weights in float and in int8")
    result = {
        "network": "mlperf_tiny_resnet8",
        "weights_sha256": files.file_digest(Path(chosen.weights)),
        "parameters": parameters(task.network),
        "calibration_images": CALIBRATION_IMAGES,
        "test_images": len(test),
        "int8_quality_target": TARGET,
        "pytorch": {"test_top1": measure(predict(task.network, test), test.labels)["top1"]},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in ("onnx", "onnx-int8"):
            exported = export_file(task, name, FORMATS[name], Path(folder))
            logits = torch.from_numpy(run_file(Path(folder) / exported["file"], test))
            result[name] = exported | {"test_top1": measure(logits, test.labels)["top1"]}
    for name in ("pytorch", "onnx", "onnx-int8"):
        print(f"{name:<10} test {result[name]['test_top1']:.2%}")
    print(write(chosen.name, result))


def task_of(weights: str, dataset: DataSet) -> Task:
    """The published network as something to export."""
    row = DATASETS["cifar10"]
    model = Model("mlperf_tiny_resnet8", weights=weights)
    network = build(model, DataSpec(10, 3, 32, row.mean, row.std)).eval()
    fields = {"classes": list(dataset.classes), "input": card.for_input(3, 32, 32, network.interpolation)}
    return Task(network, dataset, fields, predict(network, dataset.val))


if __name__ == "__main__":
    main()
