"""MLPerf Tiny's published ResNet-8 as a file for microcontrollers: accuracy in TensorFlow Lite Micro, flash and RAM.

All 10,000 CIFAR-10 test images go through the micro interpreter, and the first 1,000 through LiteRT's plain kernels
too. The weights are the benchmark's own; int8 is calibrated on training views. The test split is opened once, on the
record. Needs tutelage[mcu] and the converters' environment (tutelage export --make-converters).

    python benchmarks/mcu.py --weights weights/cifar10_resnet8_mlperftiny.safetensors --data-root DIR
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _common import RESULTS, write
from mlperf_tiny import task_of
from tutelage import data, files
from tutelage.data import Data
from tutelage.data.memory import MemoryImages
from tutelage.data.test_split import open_test
from tutelage.edge.flatbuffer import litert, micro
from tutelage.export.litert import write_micro
from tutelage.export.micro import answers
from tutelage.export.needs import needs
from tutelage.export.task import Micro
from tutelage.measure.classifier import measure, predict
from tutelage.models.count import macs

COMPARED = 1000
"""Test images that LiteRT runs too."""


def main() -> None:
    """Prints and writes docs/results/mcu.json and mcu.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--ledger", type=Path, default=Path("runs/test_openings.jsonl"))
    parser.add_argument("--input", choices=("int8", "uint8"), default="int8")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(Data("cifar10"), chosen.data_root)
    task = dataclasses.replace(task_of(chosen.weights, dataset), micro=Micro(chosen.input))
    test = open_test(dataset, chosen.ledger, run="mcu", reason="published weights in TensorFlow Lite Micro")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student-int8.tflite"
        write_micro(task, path)
        taken = needs(path)
        one, other = micro(path).program, litert(path, reference=True)
        some = MemoryImages(test.images[:COMPARED], test.labels[:COMPARED])
        said, beside = answers(one, test, "TensorFlow Lite Micro"), answers(other, some, "LiteRT")
        size = path.stat().st_size
    pytorch = predict(task.network, test)
    result: dict[str, Any] = {
        "network": "mlperf_tiny_resnet8",
        "weights_sha256": files.file_digest(Path(chosen.weights)),
        "test_images": len(test),
        "pytorch_test_top1": measure(pytorch, test.labels)["top1"],
        "micro_test_top1": float((said.argmax(1) == test.labels.numpy()).mean()),
        "same_predictions": float((said.argmax(1) == pytorch.argmax(1).numpy()).mean()),
        "compared_with_litert": len(beside),
        "litert_steps_apart": int(np.abs(said[: len(beside)] - beside).max()),
        "file_bytes": size,
        "input": chosen.input,
        "macs": macs(task.network, (1, 3, 32, 32)),
        **taken.told(),
    }
    print(write("mcu", result))
    (RESULTS / "mcu.md").write_text(page(result), encoding="utf-8")


def page(result: dict[str, Any]) -> str:
    """docs/results/mcu.md."""
    flash, ram = result["flash_bytes"], result["ram_bytes"]
    return f"""# On a microcontroller

MLPerf Tiny's published ResNet-8, exported by `--format mcu`, on all {result["test_images"]:,} CIFAR-10 test images
in the interpreter of TensorFlow Lite Micro (`python benchmarks/mcu.py`, [mcu.json](mcu.json)).

| | |
|---|---|
| top-1, PyTorch in float | {result["pytorch_test_top1"]:.2%} |
| top-1, TensorFlow Lite Micro in int8 | {result["micro_test_top1"]:.2%} |
| same predictions | {result["same_predictions"]:.2%} |
| LiteRT, plain kernels, {result["compared_with_litert"]:,} images | {result["litert_steps_apart"]} of 256 steps apart |
| flash, model | {flash["model"]:,} bytes |
| flash, code | {flash["code_estimate"]:,} bytes, an estimate: see [the guide](../guides/device.md#a-microcontroller) |
| RAM, tensor arena | {ram["arena"]:,} bytes: {ram["head"]:,} for activations, {ram["tail"]:,} for the interpreter |
| multiply-adds an image | {result["macs"]:,} |
| operators | {", ".join(result["operators"])} |

The arena was measured with 64-bit pointers; the interpreter's part is smaller on a 32-bit controller. The published
weights are trained on all 50,000 training images, from which the calibration views are taken; no test image is used.
"""


if __name__ == "__main__":
    main()
