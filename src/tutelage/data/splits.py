"""Loads what training may see of a data set: train, and val carved from it once and for all. test_split.py has test.

Which image belongs to which split depends on the data set alone, never on a run's seed.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data import DATASETS, Data, sources
from tutelage.data.images import Images
from tutelage.data.memory import MemoryImages
from tutelage.data.stratify import stratified_order
from tutelage.edge.card import PHOTOS
from tutelage.errors import UserError


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
    images, labels, classes = sources.read(data.name, root)
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

    indexed, cut, train, val = photos.read(data)
    positions = hashlib.sha256(cut.train.numpy()).hexdigest()
    return DataSet(
        name=data.title,
        classes=indexed.classes,
        mean=photos.MEAN,
        std=photos.STD,
        train=train,
        val=val,
        train_positions=cut.train,
        val_positions=cut.val,
        digest=files.digest({"images": train.digest, "positions": positions}),
        data=data,
        interpolation=PHOTOS,
    )
