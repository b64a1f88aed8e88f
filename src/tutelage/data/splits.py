"""Loads what training may see of a data set: train, and val carved from it once and for all. test_split.py has test.

Which image belongs to which split depends on the data set alone, never on a run's seed.
"""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data import DATASETS, Data, sources
from tutelage.data.images import Images
from tutelage.data.memory import MemoryImages
from tutelage.data.part import of_split
from tutelage.data.stratify import in_folds, stratified_order
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
    groups: Int64[Tensor, " N"] | None = None
    """Which labelled training images belong together, by equal numbers; None: each is by itself."""

    def folds(self, count: int) -> Int64[Tensor, " N"]:
        """The fold of every training image, from 0: classes in their proportions, groups whole; unlabelled ones last.

        Args:
            count: K, 2 or more.

        Raises:
            UserError: some fold would hold all images of a class.
        """
        labels = self.train.labels.cpu()
        known = labels[labels >= 0]
        groups = torch.arange(len(known)) if self.groups is None else self.groups
        fold = in_folds(known, groups, count, "folds")
        for number in range(count):
            if len(known[fold != number].unique()) < len(known.unique()):
                raise UserError(
                    f"{count} folds of {len(known):,} training images: without fold {number} a class would have none",
                    "fewer folds, or more images of every class",
                )
        return torch.cat([fold, torch.arange(len(labels) - len(known)) % count])


def load(data: Data, root: Path | None = None) -> DataSet:
    """See `tutelage.data.load`."""
    found = _of_path(data) if data.is_path else _of_name(data, root)
    if not data.held_back:
        return found
    number, count = data.held_back
    trained = (found.folds(count) != number).nonzero()[:, 0]
    return kept(found, trained)


def kept(dataset: DataSet, samples: Int64[Tensor, " K"]) -> DataSet:
    """A data set with some of its training images, ascending; they keep the addresses that they had."""
    train = of_split(dataset.train, samples)
    labelled = samples[samples < len(dataset.train_positions)]
    groups = None if dataset.groups is None else dataset.groups[labelled]
    positions = dataset.train_positions[labelled]
    digest = files.digest({"whole": dataset.digest, "train": train.digest})
    return replace(dataset, train=train, train_positions=positions, groups=groups, digest=digest)


def _of_name(data: Data, root: Path | None) -> DataSet:
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
    from tutelage.data import groups, photos

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
        groups=torch.from_numpy(groups.of_data(indexed, data))[cut.train],
    )
