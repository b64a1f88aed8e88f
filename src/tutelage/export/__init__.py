"""Exports a student as files that run without its training code, and measures each of them by running it.

A file appears only after it was run on val and found as accurate as it has to be.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from tutelage import files
from tutelage.data.splits import DataSet
from tutelage.edge import card
from tutelage.errors import UserError
from tutelage.export.finish import finished
from tutelage.export.formats import FORMATS, Format, chosen
from tutelage.export.onnx_files import quiet
from tutelage.export.task import ANY_CHIP, Micro, Task
from tutelage.run.folder import Run
from tutelage.training.predictions import on_val
from tutelage.training.student import load_student

TOLERANCE = 0.001
"""By how much a float file's val accuracy may differ from PyTorch's: 0.1 points."""
OFFER = 0.005
"""An int8 file that loses more is offered a finish: half a point."""
MAX_DROP = 0.01
"""By how much an int8 file's may be lower: 1 point."""


def export(
    run: Run,
    dataset: DataSet,
    formats: Iterable[str] = ("onnx",),
    *,
    force: bool = False,
    finish: int = 0,
    micro: Micro = ANY_CHIP,
) -> dict[str, dict[str, Any]]:
    """Writes a finished run's student in these formats, with card.json beside; export.json says what each is worth.

    Args:
        run: Its folder takes the files.
        dataset: Its data: int8 is calibrated on training views, everything is measured on val.
        formats: Names of FORMATS.
        force: Keep an int8 file that loses more than `MAX_DROP`.
        finish: Epochs of a last distillation in 8 bits, for int8 files alone; kept where it helps on val.
        micro: Of the format mcu.

    Returns:
        By format: see `measuring.measured`; and `finish`, where it was asked for: `epochs`, and `val_top1` without and
        with it as `before` and `after`.

    Raises:
        UserError: the run is not finished; an unknown format, or one whose packages are not installed; a file whose
            accuracy on val is not PyTorch's, or that loses too much: it is not kept.
    """
    rows = chosen(formats)
    task = dataclasses.replace(task_of(run, dataset), micro=micro)
    files.write_json(run.path / card.BESIDE, run.result("card") | task.card)
    told = {}
    for name, row in rows.items():
        longer = None
        if finish and row.int8:
            longer = finish, lambda: finished(run, dataset, task, finish)
        told[name] = export_file(task, name, row, run.path, force=force, longer=longer)
        before = {other: value for other, value in (run.result("export") or {}).items() if other in FORMATS}
        files.write_json(run.path / "export.json", before | {name: told[name]})
    return told


def task_of(run: Run, dataset: DataSet) -> Task:
    """What a finished run has to export.

    Raises:
        UserError: it is not finished.
    """
    if not run.done:
        raise UserError(f"{run.path} is not finished", f"tutelage train {run.path} goes on")
    told = run.result("card")
    asked = told["input"]
    interpolation = dataset.interpolation or asked.get("interpolation", "bilinear")
    said = {
        "classes": told["classes"],
        "input": asked | card.for_input(*dataset.train.shape, interpolation),
        "normalisation": "inside the file",
        "weights_sha256": told["weights_sha256"],
    }
    unmixed = dataclasses.replace(run.recipe.augment, mix="none", cutout=0)
    return Task(load_student(run, dataset), dataset, unmixed, said, on_val(run, dataset).logits)


def export_file(
    task: Task,
    name: str,
    row: Format,
    folder: Path,
    *,
    force: bool = False,
    longer: tuple[int, Callable[[], nn.Module]] | None = None,
) -> dict[str, Any]:
    """Writes one file, runs it, and moves it into a folder where it is good enough.

    Args:
        task: What is exported.
        name: Of the format.
        row: The format.
        folder: Where the file goes.
        force: Keep an int8 file that loses more than `MAX_DROP`.
        longer: Epochs of finishing, and what makes the finished network; the better file on val is kept.

    Raises:
        UserError: it is not good enough.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", suffix=".tmp", dir=folder) as made:
        path = Path(made) / "plain" / row.file
        told = _written(task, row, path)
        if longer is not None:
            epochs, network = longer
            again = Path(made) / "finished" / row.file
            tuned = _written(dataclasses.replace(task, network=network()), row, again)
            finish = {"epochs": epochs, "before": told["val_top1"], "after": tuned["val_top1"]}
            if tuned["val_top1"] > told["val_top1"]:
                path, told = again, tuned
            told["finish"] = finish
        _good_enough(name, row, told, force=force)
        # What belongs to the file goes first, so that the file never stands without it.
        parts = [part for part in path.parent.rglob("*") if part.is_file()]
        for part in sorted(parts, key=lambda part: part == path):
            with files.appearing(folder / part.relative_to(path.parent)) as beside:
                part.replace(beside)
    return told


def _written(task: Task, row: Format, path: Path) -> dict[str, Any]:
    path.parent.mkdir()
    with quiet():
        row.writer(task, path)
    return row.measure(task, path)


def _good_enough(name: str, row: Format, told: dict[str, Any], *, force: bool) -> None:
    drop = told["drop"]
    if row.int8 and drop > MAX_DROP and not force:
        raise UserError(
            f"{name} loses {100 * drop:.2f} points on val ({told['val_top1']:.2%} of {told['images']:,} images; "
            f"PyTorch {told['val_top1'] + drop:.2%}); {100 * MAX_DROP:g} are allowed, and the file is not kept",
            "--finish 3 trains it on, computing in 8 bits; --force keeps it as it is",
        )
    if not row.int8 and abs(drop) > TOLERANCE:
        raise UserError(
            f"{name} has {told['val_top1']:.2%} on val, PyTorch {told['val_top1'] + drop:.2%}: "
            f"more than {100 * TOLERANCE:g} points apart, and the file is not kept",
            "report it with the model's name",
        )
