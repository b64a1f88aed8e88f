"""Writes docs/results/imagenet.md from the numbers that imagenet.py has measured."""

import statistics
from typing import Any

IMAGES = 1_281_167
HEAD = """# ImageNet's size

`python benchmarks/imagenet.py index`, `rows` and `storage`, on {cores} cores ({processor}), one thread.
Nothing else ran beside the index; processor time is that of user and system.
"""
INDEX = """
## The index of photos

Made-up JPEGs in folders of classes; every start is a process of its own, and Python and Pillow count in its memory.
Cold: there is no index. Warm: every file is looked up (size and time), the seal of the index is compared, and 64 files
are read.

| photos | bytes of each | read | start | processor, s | clock, s | peak memory, MB | own memory after, MB | index, MB |
|---:|---:|---|---|---:|---:|---:|---:|---:|
"""
EXTRAPOLATED = """
Extrapolated from photos of {bytes:,} bytes to {images:,} of them: headers {headers:.1f} minutes of processor time,
whole files {whole:.0f} minutes. These files were in the system's memory: a disk adds what it takes to read 20 KiB of
each. After a warm start the pages of the index are mapped from its file: processes share them, and they are not own
memory.
"""
ROWS = """
## Rows of answers from a cold disk

{samples:,} rows of {classes:,} float16 (2 KB a row), batches of 64 in a drawn order, beside steps that take 10 ms and
no processor; medians of {seeds} runs. The page cache was dropped for each file before (`posix_fadvise`, DONTNEED). A
row is asked for 32 steps before it is needed. A step is 10 ms and the time that its rows take; by the clock it is
longer where a busy machine wakes a sleeping process late.

| rows | step, ms | speed of rows in memory | by the clock, ms | processor, ms a step | read for a row, KiB |
|---|---:|---:|---:|---:|---:|
"""
STORAGE = """
## Ways of storing answers

C classes in C + 8 bytes an image, about half of float16's 2 C where classes are many. KL(full || stored) in nats and
total variation (half the sum of absolute differences of probabilities), means over images of CIFAR-10's training split:
published ResNet-56, and EfficientNet-lite0 with its 1,000 classes of ImageNet, shown the images enlarged to 224 pixels.
Unbiased samples (arXiv:2503.16870) are drawn from the answers at that temperature; their KL is infinite.

| teacher | T | stored | KL | total variation |
|---|---:|---|---:|---:|
"""
STUDENTS = """
A student (convnet of 12 and 24 channels, 2,000 images, 20 epochs of Adam, T = 4, the teacher's term alone) on 2,000
other images of the training split:

| stored | accuracy, mean and standard deviation | difference to float16, paired by seed |
|---|---:|---:|
"""


def text(result: dict[str, Any]) -> str:
    """Markdown; a part that was not measured is left out."""
    parts = {"index": _index, "rows": _rows, "storage": _storage}
    return HEAD.format(**result["machine"]) + "".join(
        part(result[name]) for name, part in parts.items() if name in result
    )


def _index(measured: list[dict[str, Any]]) -> str:
    page = INDEX
    for row in measured:
        page += (
            f"| {row['images']:,} | {row['bytes_a_photo']:,} | {row['look']} | {row['start']} | {row['cpu_s']:.1f} "
            f"| {row['wall_s']:.1f} | {row['peak_mb']} | {row['private_mb']} | {row['index_bytes'] / 1e6:.1f} |\n"
        )
    large = [row for row in measured if row["start"] == "cold" and row["bytes_a_photo"] > 10_000]
    minutes = {row["look"]: row["cpu_s"] / row["images"] * IMAGES / 60 for row in large}
    return page + EXTRAPOLATED.format(bytes=large[0]["bytes_a_photo"], images=IMAGES, **minutes)


def _rows(measured: dict[str, Any]) -> str:
    page, rows = ROWS.format(**measured), measured["rows"]
    memory = rows["in memory"]["step_ms"]
    for how, one in rows.items():
        page += (
            f"| {how} | {one['step_ms']:.2f} | {memory / one['step_ms']:.2f} | {one['wall_ms']:.2f} "
            f"| {one['cpu_ms']:.2f} | {one['kib_a_row']:.1f} |\n"
        )
    return page


def _storage(measured: dict[str, Any]) -> str:
    page = STORAGE
    for teacher in ("resnet56", "lite0"):
        for student in measured[teacher]["apart"]:
            kl = "infinite" if student["kl"] is None else f"{student['kl']:.1e}"
            name = f"{teacher}, {measured[teacher]['images']} images"
            page += f"| {name} | {student['temperature']:g} | {student['how']} | {kl} | {student['variation']:.1e} |\n"
    page += STUDENTS
    first = next(iter(measured["students"].values()))
    for how, student in measured["students"].items():
        apart = [100 * (one - other) for one, other in zip(student, first, strict=True)]
        mean, deviation = 100 * statistics.mean(student), 100 * statistics.stdev(student)
        difference = f"{statistics.mean(apart):+.2f} +- {statistics.stdev(apart):.2f}" if how != "float16" else ""
        page += f"| {how} | {mean:.2f} +- {deviation:.2f} (n = {len(student)}) | {difference} |\n"
    return page
