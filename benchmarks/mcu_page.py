"""Writes docs/results/mcu.md from what mcu.py, mcu_int8.py and folder.py --fit-in have measured: their JSON files.

python benchmarks/mcu_page.py
"""

import json
from typing import Any

from _common import RESULTS
from tutelage.measure.statistics import binomial_interval

Found = dict[str, Any]
INT8 = {"plain": "int8, as it is", "finished": "int8, finished"}
STUDENTS = {
    "timm:tf_efficientnet_lite0": "EfficientNet-lite0, from ImageNet's weights",
    "timm:mobilenetv2_050": "MobileNetV2, half the width, from random weights",
}


def write() -> None:
    """docs/results/mcu.md."""
    (RESULTS / "mcu.md").write_text(page(), encoding="utf-8")


def page() -> str:
    """A section for each file that is there."""
    sections = {"mcu": resnet8, "mcu_int8": int8, "folder_mcu": folder}
    parts = ["# On a microcontroller\n"]
    for name, section in sections.items():
        if (RESULTS / f"{name}.json").exists():
            parts.append(section(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))))
    return "".join(parts)


def resnet8(found: Found) -> str:
    """MLPerf Tiny's network: published weights, the benchmark's own file, ours."""
    published, ours, theirs = found["published"], found["ours"], found.get("tflite")
    columns = [published, ours] + ([theirs] if theirs else [])
    heads = ["published weights, exported here", "ours, exported here"]
    heads += ["published .tflite, run here"] if theirs else []
    tested = [*(one.get("micro_test_top1", one.get("test_top1")) for one in columns)]
    rows = {
        "images": [f"{published['test_images']:,} of test", f"{ours['val_images']:,} of val", "the same test images"],
        "top-1, PyTorch in float": [_share(published["pytorch_test_top1"]), _share(ours["pytorch_val_top1"]), "-"],
        "top-1, TensorFlow Lite Micro in int8": [
            _share(published["micro_test_top1"]),
            _share(ours["micro_val_top1"]),
            _share(tested[-1]) if theirs else "",
        ],
        "lost": [_points(published, "test"), _points(ours, "val"), "-"],
        "same predictions as float": [*(_share(one["same_predictions"]) for one in columns[:2]), "-"],
        "flash, model": [f"{one['flash_bytes']['model']:,} bytes" for one in columns],
        "flash, code (an estimate)": [f"{one['flash_bytes']['code_estimate']:,} bytes" for one in columns],
        "RAM, tensor arena": [f"{one['ram_bytes']['arena']:,} bytes" for one in columns],
        "of it activations": [f"{one['ram_bytes']['head']:,} bytes" for one in columns],
        "of it the interpreter's": [f"{one['ram_bytes']['tail']:,} bytes" for one in columns],
        "operators": [", ".join(one["operators"]) for one in columns],
    }
    table = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    table += [f"| {name} | {' | '.join(cells[: len(heads)])} |" for name, cells in rows.items()]
    return RESNET8.format(
        table="\n".join(table),
        interval=_interval(ours["micro_val_top1"], ours["val_images"]),
        epochs=ours["recipe"]["fit"]["epochs"],
        views=ours["recipe"]["views"],
        minutes=ours["training_s"] / 60,
        macs=published["macs"],
        compared=published["compared_with_litert"],
        apart=published["litert_steps_apart"],
        apart_ours=ours["litert_steps_apart"],
        **found["machine"],
    )


RESNET8 = """
## MLPerf Tiny's ResNet-8

Exported by `--format mcu` and run by the interpreter of TensorFlow Lite Micro (`python benchmarks/mcu.py`,
[mcu.json](mcu.json), {processor}).

{table}

- **Ours is not the headline's student.** It is the same recipe (`mlperf_tiny`: taught by the published ResNet-20, kd
  at T = 8, Muon) with {epochs} epochs and {views} views, {minutes:.0f} minutes on a core that others used too; the
  headline's has 200 epochs and 16 views, and other weights. One seed. Its accuracy in int8 is {interval} by the
  binomial interval over these images of val, which the student has never seen and its teacher has
  ([headline.md](headline.md)). The test split was not opened for it: compare its int8 with its float, and not with the
  other columns.
- The published weights are trained on all 50,000 training images, from which the calibration views are taken; no test
  image is used. The published .tflite file is the benchmark's own (`pretrainedResnet_quant.tflite` of
  mlcommons/tiny), whose reference code gives it an arena of 102,400 bytes; it was measured here with the
  same interpreter. Its convolutions pad by themselves, ours by an operator of their own, PAD, which costs RAM.
- LiteRT's plain kernels answer at most {apart} of 256 steps apart from TensorFlow Lite Micro on {compared:,} test
  images, at most {apart_ours} on val. The arena was measured with 64-bit pointers; the interpreter's part is smaller on
  a 32-bit controller. {macs:,} multiply-adds an image. How code is estimated:
  [the guide](../guides/device.md#a-microcontroller).
"""


def int8(found: Found) -> str:
    """What 8 bits cost two networks of ReLU6."""
    lines = [
        "| student | top-1 in float | file | top-1, TensorFlow Lite Micro | lost (95 % interval) | flash | RAM |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        for number, (name, words) in enumerate(INT8.items()):
            one = row[name]
            left = [STUDENTS[row["student"]], f"{_share(row['float']['val_top1'])}"] if number == 0 else ["", ""]
            lost = f"{100 * one['drop']:+.2f} ({100 * one['drop_low']:+.2f} to {100 * one['drop_high']:+.2f}) points"
            sizes = [f"{one['flash_bytes']['total'] / 1e3:,.0f} kB", f"{one['ram_bytes']['arena'] / 1e3:,.0f} kB"]
            lines.append(f"| {' | '.join([*left, words, _share(one['val_top1']), lost, *sizes])} |")
    first = found["rows"][0]
    trained = [f"{STUDENTS[row['student']].split(',')[0]} {row['epochs']} epochs" for row in found["rows"]]
    return MOBILE.format(
        table="\n".join(lines),
        train=first["train"],
        n=first["val"],
        size=found["size"],
        finish=first["finish"],
        trained=", ".join(trained),
        **found["machine"],
    )


MOBILE = """
## MobileNetV2 and EfficientNet-lite0 in 8 bits

`python benchmarks/mcu_int8.py` ([mcu_int8.json](mcu_int8.json), {processor}): photos of {size} pixels made from
CIFAR-10, five classes, {train:,} to learn from. Each student was trained alone ({trained})
and became a file of 8 bits as it was, and after `--finish {finish}`.

{table}

- n = {n:,} images of val, one seed of each student. The intervals are bootstraps over these images, paired with the
  float answers: they say what other images would give, and nothing of other seeds. The test photos were not opened.
- Above zero means lost, below zero means won. `tutelage export` keeps the better of the two files.
- No published weights of MobileNetV2 were at hand.
"""


def folder(found: Found) -> str:
    """From photos to C in one command."""
    return FOLDER.format(**_folder(found))


def _folder(found: Found) -> Found:
    file = found["export"]["mcu"]
    row = next(row for row in found["rows"] if row["label"] == found["handed_over"])
    test = row["top1"]["test"]
    return {
        "command": found["command"],
        "fit_in": found["fit_in"],
        "choice": "\n".join(found["choice"]),
        "minutes": found["wall_s"] / 60,
        "student": found["student"]["name"],
        "label": row["label"],
        "seeds": len(test),
        "test": ", ".join(_share(one) for one in test),
        "images": found["test_images"],
        "photos": found["images"],
        "epochs": found["epochs"],
        "mean": _share(sum(test) / len(test)),
        "interval": _interval(sum(test) / len(test), found["test_images"]),
        "claim": found["claim"] + (f" Handed over by `--force`: {found['doubt']}." if found["doubt"] else ""),
        "val_images": file["images"],
        "val": _share(file["val_top1"]),
        "val_interval": _interval(file["val_top1"], file["images"]),
        "lost": 100 * file["drop"],
        "flash": file["flash_bytes"]["total"],
        "model": file["flash_bytes"]["model"],
        "ram": file["ram_bytes"]["arena"],
        "c_files": ", ".join(f"`{name}`" for name in found["c"]),
        **found["machine"],
    }


FOLDER = """
## From a folder of photos to C, for a chip of {fit_in}

`python benchmarks/folder.py --fit-in {fit_in} --images {photos} --epochs {epochs}` ([folder_mcu.json](folder_mcu.json),
[the screen](folder_mcu.txt), {processor}) types one command in a folder of {photos} photos of each of five classes;
`make folder FIT_IN={fit_in}` is the same with 1,000 and 24 epochs:

```console
$ {command}
```

It chose, before it trained anything:

```
{choice}
```

| | |
|---|---|
| student | {student}, {label} |
| top-1 on test, float | {test} ({seeds} seeds); mean {mean} ({interval}, {images:,} images) |
| top-1 on val, int8 in TensorFlow Lite Micro | {val} ({val_interval}, {val_images:,} images); {lost:.2f} points lost |
| flash | {flash:,} bytes: {model:,} of the model, the rest of code, an estimate |
| RAM | {ram:,} bytes of tensor arena |
| C | {c_files} |
| time | {minutes:.0f} minutes on {cores} cores that others used too |

Intervals are binomial, over the images: they say nothing of other seeds. {claim}
"""


def _share(value: float) -> str:
    return f"{100 * value:.2f}%"


def _interval(value: float, images: int) -> str:
    low, high = binomial_interval(value, images)
    return f"{_share(low)} to {_share(high)}"


def _points(found: Found, split: str) -> str:
    return f"{100 * (found[f'pytorch_{split}_top1'] - found[f'micro_{split}_top1']):.2f} points"


if __name__ == "__main__":
    write()
