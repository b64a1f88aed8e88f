"""Three splits: train, val carved from it once and for all, and test behind a turnstile.

Which image belongs to which split depends on the data set alone, never on a run's seed.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from tutelage import files, sealed
from tutelage.data import DATASETS, Data, sources
from tutelage.data.images import Images
from tutelage.data.memory import MemoryImages
from tutelage.data.stratify import stratified_order
from tutelage.errors import Damaged, UserError


@dataclass(frozen=True, eq=False)
class DataSet:
    """What training, tuning and selection may see of a data set: no test images."""

    name: str
    classes: tuple[str, ...]
    """The classes' names, by label."""
    mean: tuple[float, ...]
    """Per channel, over the official training split in [0, 1]."""
    std: tuple[float, ...]
    train: Images
    val: Images
    train_positions: Int64[Tensor, " N"]
    """Positions of the training images in the official training split, ascending."""
    val_positions: Int64[Tensor, " M"]
    digest: str
    """SHA-256 of the training images, labels and positions."""
    root: Path | None = None
    """Where the files were looked for; None: the default folder."""
    data: Data = field(default_factory=Data)
    """What was asked for."""
    interpolation: str = ""
    """How pictures are resized to its images; empty: they come in one size."""


def load(data: Data, root: Path | None = None) -> DataSet:
    """See `tutelage.data.load`."""
    if data.is_path:
        return _of_path(data)
    images, labels, classes = sources.read(data.name, root, train=True)
    order = stratified_order(labels, "val")
    held_out = round(data.val_share * len(labels))
    if min(held_out, len(labels) - held_out) < len(classes):
        raise UserError(
            f"data.val_share is {data.val_share:g}: {held_out} of {len(labels)} images, but both splits need "
            f"at least one of each of the {len(classes)} classes",
            "0.1 is usual",
        )
    val, train = order[:held_out], order[held_out:]
    if data.part:
        if not len(classes) <= data.part <= len(train):
            raise UserError(
                f"data.part is {data.part}, expected {len(classes)} to {len(train)} training images of {data.name}",
                "0 uses all",
            )
        train = train[: data.part]
    train, val = train.sort().values, val.sort().values
    row = DATASETS[data.name]
    chosen = MemoryImages(images[train], labels[train])
    positions = hashlib.sha256(train.numpy()).hexdigest()
    return DataSet(
        name=data.name,
        classes=classes,
        mean=row.mean,
        std=row.std,
        train=chosen,
        val=MemoryImages(images[val], labels[val]),
        train_positions=train,
        val_positions=val,
        digest=files.digest({"images": chosen.digest, "positions": positions}),
        root=root,
        data=data,
    )


def _of_path(data: Data) -> DataSet:
    from tutelage.data import photos

    told, cut, train, val = photos.read(data)
    positions = hashlib.sha256(cut.train.numpy()).hexdigest()
    return DataSet(
        name=data.title,
        classes=told.classes,
        mean=photos.MEAN,
        std=photos.STD,
        train=train,
        val=val,
        train_positions=cut.train,
        val_positions=cut.val,
        digest=files.digest({"images": train.digest, "positions": positions}),
        data=data,
        interpolation=photos.INTERPOLATION,
    )


def open_test(dataset: DataSet, ledger: Path, *, run: str, reason: str) -> Images:
    """The turnstile: the test images, after their opening was written down.

    Args:
        dataset: Whose test split.
        ledger: The file `test_openings.jsonl` that counts the openings; appended to, by one process at a time.
        run: Which run or study asks.
        reason: Why.

    Raises:
        UserError: no reason was given; the ledger cannot be written; the files are missing or corrupt.
    """
    if not reason.strip():
        raise UserError("the test split opens on the record only, and the reason is empty", "say why it is opened")
    opening = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "run": run, "reason": reason}
    try:
        sealed.append_lines(ledger, [opening], ledger.name)
    except Damaged as damaged:
        raise _no_ledger(damaged) from None
    except OSError as error:
        raise UserError(
            f"cannot record the opening of the test split in {ledger}: {error}", "make it writable"
        ) from error
    if dataset.data.is_path:
        from tutelage.data import photos

        told = photos.sound(dataset.data)
        return photos.images(told, photos.pieces(told, dataset.data).test, dataset.data, "test")
    images, labels, _ = sources.read(dataset.name, dataset.root, train=False)
    return MemoryImages(images, labels)


def openings(ledger: Path) -> list[dict[str, Any]]:
    """Every opening so far, oldest first: {"time", "run", "reason"}."""
    try:
        return sealed.read_lines(ledger, ledger.name)
    except Damaged as damaged:
        raise _no_ledger(damaged) from None


def _no_ledger(damaged: Damaged) -> Damaged:
    return Damaged(
        damaged.path,
        damaged.reason,
        "it counts how often test was opened: put back a copy; without one, remove it, and it counts from now on",
    )
