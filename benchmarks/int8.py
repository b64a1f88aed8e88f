"""Which int8 file means the same on every processor: MLPerf Tiny's ResNet-8 with numbers of several types.

Each file is opened in a plain session here, and by the same ONNX Runtime where it believes that the processor has no
VNNI, or no AVX-512 either: its cpuid instructions are answered by fewer_instructions.c, at full speed (needs gcc and
objdump; x86 with AVX2). With --web, also by onnxruntime-web. Accuracy on all test images of CIFAR-10, on the record;
the weights are published, and nothing of ours is claimed from them. CPU time, in turn, as ratios to the file with 8-bit
weights.

    python benchmarks/int8.py --weights weights/cifar10_resnet8_mlperftiny.safetensors --data-root DIR
        [--web node_modules/onnxruntime-web]
"""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType

from _common import RESULTS, milliseconds, ratio, write
from int8_session import OPTION, REPEATS
from mlperf_tiny import task_of
from tutelage import data
from tutelage.data import Data
from tutelage.data.test_split import open_test
from tutelage.export import onnx_files
from tutelage.export.steady import steadied
from tutelage.export.task import Task

HERE = Path(__file__).parent
U8, S8 = QuantType.QUInt8, QuantType.QInt8
KINDS: dict[str, dict[str, Any]] = {
    "u8 s8": {"reduce_range": False},
    "u8 s7": {},
    "u8 u8": {"weight_type": U8, "reduce_range": False, "extra_options": {"WeightSymmetric": True}},
    "s8 s8": {"activation_type": S8, "reduce_range": False},
}
"""By the types of activations and weights: what differs from the settings of an export."""
BASE, OURS = "u8 s8", "u8 s7"
HIDDEN = {"all of them": "", "without VNNI": "vnni", "AVX2 alone": "avx512"}


def main() -> None:
    """Prints and writes docs/results/int8.json and int8.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root")
    parser.add_argument("--ledger", type=Path, default=Path("runs/test_openings.jsonl"))
    parser.add_argument("--web", type=Path, help="the folder of the npm package onnxruntime-web")
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load(Data("cifar10"), given.data_root)
    task = task_of(given.weights, dataset)
    test = open_test(dataset, given.ledger, run="int8", reason="published weights in int8 files of several types")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pixels = test.plain(torch.arange(len(test))).contiguous().numpy()
        np.save(folder / "pixels.npy", pixels)
        written(task, folder)
        names = ["float", *KINDS, BASE + OPTION]
        found = {where: here(folder, names, hidden) for where, hidden in HIDDEN.items()}
        if given.web:
            pixels.tofile(folder / "pixels.f32")
            found["WebAssembly"] = in_web(folder, names[:-1], len(test), given.web.resolve())
    labels = test.labels.numpy()
    first = found[next(iter(HIDDEN))]
    rows = {where: {name: row(name, answers, first, labels) for name in answers} for where, answers in found.items()}
    result = {"onnxruntime": onnxruntime.__version__, "test_images": len(labels), "processors": rows}
    path = write("int8", result)
    (RESULTS / "int8.md").write_text(page(json.loads(path.read_text())))
    print((RESULTS / "int8.md").read_text())
    print(path)


def written(task: Task, folder: Path) -> None:
    """One file of each kind."""
    steady = dataclasses.replace(task, network=steadied(task.network, onnx_files.calibration(task)))
    onnx_files.write_onnx(steady, folder / "float.onnx")
    for name, kind in KINDS.items():
        shutil.copy(folder / "float.onnx", folder / f"{name}.onnx")
        onnx_files.quantize(folder / f"{name}.onnx", onnx_files.calibration(task), **kind)


Found = dict[str, tuple[np.ndarray, list[float]]]
"""By file: its logits, and the seconds of each round."""


def here(folder: Path, names: list[str], hidden: str) -> Found:
    """What ONNX Runtime says on this processor, or on one that lacks what is hidden."""
    environment = dict(os.environ)
    if hidden:
        if not (folder / "onnxruntime").exists():
            patched(folder)
        environment |= {"PYTHONPATH": str(folder), "LD_PRELOAD": str(folder / "fewer.so"), "HIDDEN": hidden}
    words = [sys.executable, str(HERE / "int8_session.py"), str(folder), *names]
    result = json.loads(subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {name: (np.load(folder / f"{name}.npy"), result[name]) for name in names}


def in_web(folder: Path, names: list[str], images: int, runtime: Path) -> Found:
    """What onnxruntime-web says under node."""
    words = ["node", str(HERE / "int8.mjs"), str(runtime), str(folder), str(images), *names]
    result = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {name: (np.fromfile(folder / f"{name}.f32", np.float32).reshape(images, -1), result[name]) for name in names}


def patched(folder: Path) -> None:
    """A copy of ONNX Runtime whose every cpuid instruction is undefined, and the library that answers instead."""
    copy = folder / "onnxruntime"
    shutil.copytree(Path(onnxruntime.__file__).parent, copy)
    (library,) = copy.glob("capi/onnxruntime_pybind11_state*.so")
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(library)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    code = bytearray(library.read_bytes())
    for address in re.findall(r"^\s*([0-9a-f]+):\s+cpuid", listing, re.MULTILINE):
        at = int(address, 16)
        assert code[at : at + 2] == b"\x0f\xa2", "the code is not where it is loaded"
        code[at : at + 2] = b"\x0f\x0b"
    library.write_bytes(code)
    built = [
        "gcc",
        "-O2",
        "-Wall",
        "-shared",
        "-fPIC",
        str(HERE / "fewer_instructions.c"),
        "-o",
        str(folder / "fewer.so"),
    ]
    subprocess.run(built, check=True)


def row(name: str, answers: Found, first: Found, labels: np.ndarray) -> dict[str, Any]:
    """What one file is worth in one place; `first` is where all instruction sets are used."""
    logits, taken = answers[name]
    right, as_float = labels, first["float"][0].argmax(1)
    return {
        "test_top1": float((logits.argmax(1) == right).mean()),
        "same_as_float": float((logits.argmax(1) == as_float).mean()),
        "largest_difference": float(np.abs(logits - first[name][0]).max()),
        "time_to_8_bit_weights": ratio({other: seconds for other, (_, seconds) in answers.items()}, name, BASE),
        **milliseconds([second / REPEATS for second in taken]),
    }


def page(result: dict[str, Any]) -> str:
    """The tables as Markdown."""
    rows = result["processors"]
    base, ours = rows["AVX2 alone"][BASE], [files[OURS] for files in rows.values()]
    times = [one["time_to_8_bit_weights"]["median"] for one in ours]
    lines = [
        "# int8 that means the same everywhere",
        "",
        "Generated by `python benchmarks/int8.py`; machine and exact numbers in int8.json. MLPerf Tiny's published",
        f"ResNet-8, all {result['test_images']:,} test images of CIFAR-10, ONNX Runtime {result['onnxruntime']}.",
        "Activations and weights are signed (s) or unsigned (u) numbers of 7 or 8 bits. `+`: opened with",
        "`session.x64quantprecision`, an option that users would have to know; the others in plain sessions. Time:",
        f"CPU, one image, one thread, in turn, the median of the ratios to `{BASE}` in the same place. "
        "This processor has",
        f"{', '.join(result['machine']['int8_instructions'])}; for rows with fewer, ONNX Runtime was told that it has",
        "not. Difference: the largest of any logit to the first row of the file.",
        "",
        "| file | instruction sets | test | answers as in float | difference | time | ms an image |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in next(iter(rows.values())):
        for where, files in rows.items():
            if name in files:
                one = files[name]
                taken = one["time_to_8_bit_weights"]["median"]
                lines.append(
                    f"| {name} | {where} | {one['test_top1']:.2%} | {one['same_as_float']:.2%} | "
                    f"{one['largest_difference']:.2g} | {taken:.2f} | {one['median_ms']:.3f} |"
                )
    lines += [
        "",
        "With weights of 8 bits, x86 without VNNI adds pairs of products in 16 bits and cuts off what does not fit: "
        f"{base['test_top1']:.2%}.",
        f"With weights of 7 bits they always fit: {min(one['test_top1'] for one in ours):.2%} to "
        f"{max(one['test_top1'] for one in ours):.2%}, logits that differ by at most "
        f"{max(one['largest_difference'] for one in ours):.2g}, and",
        f"{min(times):.2f} to {max(times):.2f} of the time. This is what `tutelage export` writes.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
