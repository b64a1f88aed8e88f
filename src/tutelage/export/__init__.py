"""Exports a student as files that run without its training code, and measures each of them by running it.

A file appears only after it was run on val and found as accurate as it has to be.
"""

import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage import files, progress
from tutelage.edge import card
from tutelage.errors import Damaged, UserError
from tutelage.export import npu
from tutelage.export.formats import FORMATS, Format, chosen
from tutelage.run.folder import Run
from tutelage.shares import percent

if TYPE_CHECKING:
    from torch import nn

    from tutelage.data.splits import DataSet
    from tutelage.export.task import Micro, Task

log = logging.getLogger(__name__)

TOLERANCE = 0.001
"""By how much a float file's val accuracy may differ from PyTorch's: 0.1 points."""
APART = 0.001
"""By how much any file's accuracy on picture files may differ from its own on the pixels that training saw."""
OFFER = 0.005
"""An int8 file that loses more is offered a finish: half a point."""
MAX_DROP = 0.01
"""By how much an int8 file's may be lower: 1 point."""


def export(
    run: Run,
    dataset: "DataSet",
    formats: Iterable[str] = ("onnx",),
    *,
    force: bool = False,
    finish: int = 0,
    micro: "Micro | None" = None,
) -> dict[str, dict[str, Any]]:
    """Writes a finished run's student in these formats, with card.json beside; export.json says what each is worth.

    Args:
        run: Its folder takes the files.
        dataset: Its data: int8 is calibrated on training images, everything is measured on val.
        formats: Names of FORMATS.
        force: Hand over a student that is no better than guessing or worse than its baseline, and keep an int8 file
            that loses more than `MAX_DROP`.
        finish: Epochs of a last distillation in 8 bits, for int8 files alone; kept where it helps on val.
        micro: Of the format mcu.

    Returns:
        By format: see `measuring.measured`; and `finish`, where it was asked for: `epochs`, and `val_top1` without and
        with it as `before` and `after`.

    Raises:
        UserError: the run is not finished; its student is not worth handing over; an unknown format, or one
            whose packages are not installed; a file whose accuracy on val is not PyTorch's, that loses too much, or
            that answers val's picture files otherwise: it is not kept.
    """
    from tutelage.export.doubt import doubt, keep
    from tutelage.export.finish import finished

    rows = chosen(formats)
    why = doubt(run, dataset)
    if why and not force:
        raise UserError(
            f"{run.path.name} is not handed over: {why}",
            "train it longer or otherwise, or on more images; --force exports it, and its card says this",
        )
    task = task_of(run, dataset, micro)
    with files.locked(run.path / "lock") as alone:
        if alone:
            files.sweep(run.path)
    keep(run, why)
    run.keep("card", run.result("card") | task.card)
    outcome = {}
    for name, row in rows.items():
        longer = None
        if finish and row.int8:
            longer = finish, lambda: finished(run, dataset, task, finish)
        outcome[name] = export_file(task, name, row, run.path, force=force, longer=longer)
        run.keep("export", exported(run) | {name: outcome[name]})
    return outcome


def exported(run: Run) -> dict[str, Any]:
    """What export.json says of a run's exported files, of those that are as they were written; others are named."""
    try:
        # Where training had to write the card again, it knows nothing of exported files.
        whole = "normalisation" in (run.result("card") or {})
        found = {name: export for name, export in (run.result("export") or {}).items() if whole and name in FORMATS}
    except Damaged as damaged:
        log.warning("%s; export again what it told of", damaged.message)
        return {}
    sound = {}
    for name, export in found.items():
        try:
            for file, digest in export.get("sha256", {}).items():
                card.compare(run.path / file, digest)
            sound[name] = export
        except Damaged as damaged:
            log.warning("%s; %s", damaged.message, damaged.hint)
    return sound


def task_of(run: Run, dataset: "DataSet", micro: "Micro | None" = None) -> "Task":
    """What a finished run has to export.

    Raises:
        UserError: it is not finished.
    """
    if not run.done:
        raise UserError(f"{run.path} is not finished", f"tutelage train {run.path} goes on")
    from tutelage.export.task import ANY_CHIP, Task
    from tutelage.training.predictions import on_val
    from tutelage.training.student import load_student

    outcome = run.result("card")
    pixels = outcome["input"]
    interpolation = dataset.interpolation or pixels.get("interpolation", "bilinear")
    fields = {
        "classes": outcome["classes"],
        "input": pixels | card.for_input(*dataset.train.shape, interpolation),
        "normalisation": "inside the file",
        "weights_sha256": outcome["weights_sha256"],
    }
    return Task(load_student(run, dataset), dataset, fields, on_val(run, dataset).logits, micro or ANY_CHIP)


def export_file(
    task: "Task",
    name: str,
    row: Format,
    folder: Path,
    *,
    force: bool = False,
    longer: "tuple[int, Callable[[], nn.Module]] | None" = None,
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
        outcome = _written(task, row, path)
        if longer is not None:
            epochs, network = longer
            again = Path(made) / "finished" / row.file
            tuned = _written(dataclasses.replace(task, network=network()), row, again)
            finish = {"epochs": epochs, "before": outcome["val_top1"], "after": tuned["val_top1"]}
            if tuned["val_top1"] > outcome["val_top1"]:
                path, outcome = again, tuned
            outcome["finish"] = finish
        _good_enough(name, row, outcome, force=force)
        # What belongs to the file goes first, so that the file never stands without it.
        parts = [part for part in path.parent.rglob("*") if part.is_file()]
        parts.sort(key=lambda part: part == path)
        outcome["sha256"] = {str(part.relative_to(path.parent).as_posix()): files.file_digest(part) for part in parts}
        for part in parts:
            with files.appearing(folder / part.relative_to(path.parent)) as beside:
                part.replace(beside)
        for stale in npu.files_beside(folder / row.file):  # compiled from the file that was here before
            if stale.name not in outcome["sha256"]:
                stale.unlink()
    return outcome


def _written(task: "Task", row: Format, path: Path) -> dict[str, Any]:
    from tutelage.export.onnx_files import quiet

    path.parent.mkdir()
    files.write_json(path.parent / card.BESIDE, task.card)
    with progress.working(f"writing {row.file}"), quiet():
        row.writer(task, path)
    with progress.working(f"running {row.file}"):
        found = row.measure(task, path)
    (path.parent / card.BESIDE).unlink()
    return found


def _good_enough(name: str, row: Format, outcome: dict[str, Any], *, force: bool) -> None:
    drop, again = outcome["drop"], outcome["from_files"]
    if abs(again["drop"]) > APART or (again["wrong"] and not row.int8):
        raise UserError(
            f"{name} has {percent(again['top1'], 2)} on the picture files of val, "
            f"{percent(again['top1'] + again['drop'], 2)} on the pixels that training saw of them "
            f"({again['images']:,} images, {again['changed']:,} answers differ): "
            "the file is not kept",
            "report it with the model's name and the kind of its pictures",
        )
    if row.int8 and drop > MAX_DROP and not force:
        raise UserError(
            f"{name} loses {100 * drop:.2f} points on val ({percent(outcome['val_top1'], 2)} of "
            f"{outcome['images']:,} images; PyTorch {percent(outcome['val_top1'] + drop, 2)}); "
            f"{100 * MAX_DROP:g} are allowed, and the file is not kept",
            "--finish 3 trains it on, computing in 8 bits; --force keeps it as it is",
        )
    if not row.int8 and abs(drop) > TOLERANCE:
        raise UserError(
            f"{name} has {percent(outcome['val_top1'], 2)} on val, PyTorch {percent(outcome['val_top1'] + drop, 2)}: "
            f"more than {100 * TOLERANCE:g} points apart, and the file is not kept",
            "report it with the model's name",
        )
