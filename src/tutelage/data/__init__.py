"""Lists the data sets and loads them. DATASETS is the only list; importing this package imports no torch."""

import os
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

from tutelage.data import addresses, splitnames
from tutelage.errors import UserError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tutelage.data.index import Index
    from tutelage.data.splits import DataSet

PATHS = (".csv", ".tsv", ".parquet", ".tar")
"""Endings of names that are paths to images; folders need none."""


Keep = Literal["auto", "file", "memory", "none"]
Look = Literal["auto", "whole", "headers"]


@dataclass(frozen=True)
class Data:
    """Which images a run learns from."""

    name: str = "digits"
    """A name of `tutelage list datasets`; a folder of images, a table of path,label, a tar file; hf:OWNER/NAME, s3://..."""
    part: int = 0
    """Use only this many training images, the same share of every class; 0: all. A smaller part lies in a larger."""
    val_share: float = 0.1
    """Share of the training images set aside for validation, the same for every run; above 0 and below 1."""

    size: int = 0
    """Photos: height and width of what networks are shown, in pixels; 0: what suits the files."""
    keep: Keep = "auto"
    """Photos: decoded once, kept in a file or in memory; or anew each time; auto: a file of up to 1/4 of free disk."""
    look: Look = "auto"
    """Photos: read every file whole once, or its header alone; auto: the headers of more than 200,000 photos."""
    on_bad: Literal["stop", "skip"] = "stop"
    """Photos that cannot be used: stop and name them, or leave them out."""
    unlabeled: str = ""
    """Photos: a folder of more images, of no known class, which the teacher answers; empty: none."""
    splits: str = ""
    """Photos: train=A,val=B,test=C where splits have unusual names; none: all folders are classes; empty: by name."""
    group: str = ""
    """Photos that go together, as bursts do: a column of the table, or a pattern with one group in it on the path."""
    on_leak: Literal["say", "drop"] = "say"
    """Photos: training images with a copy or near copy in val or test: say how many, or drop them from training."""
    fold: tuple[int, ...] = ()
    """Photos: FOLD K REPEAT, from 0: part FOLD of K of all images but test validates, in division REPEAT; or none."""

    held_back: tuple[int, ...] = ()
    """PART K, from 0: part PART of K of the training images is not trained on (teacher.folds trains so); or none."""

    def __post_init__(self) -> None:
        """Raises UserError where a value is out of range; names and sizes are checked when the images are loaded."""
        if not self.name:
            raise UserError("data.name is empty", "name a data set, a folder or a table; . is the folder you are in")
        if self.part < 0:
            raise UserError(f"data.part is {self.part}, expected a number of training images", "0 uses all")
        if self.size < 0:
            raise UserError(f"data.size is {self.size}, expected a number of pixels", "0 chooses one")
        if self.unlabeled and not self.is_path:
            raise UserError(
                f"data.unlabeled goes with a folder of photos, and data.name is {self.name}", "name a folder there too"
            )
        splitnames.parsed(self.splits)
        if self.splits and not self.is_path:
            raise UserError(f"data.splits goes with photos, and data.name is {self.name}", "name a folder there")
        if (self.group or self.on_leak != "say") and not self.is_path:
            field = "group" if self.group else "on_leak"
            raise UserError(f"data.{field} goes with photos, and data.name is {self.name}", "name a folder there")
        if self.fold and not (len(self.fold) == 3 and 0 <= self.fold[0] < self.fold[1] > 1 and self.fold[2] >= 0):
            raise UserError(
                f"data.fold is {' '.join(map(str, self.fold))}, expected three numbers: which part, of how many (2 or "
                "more), in which division, the first and the last from 0",
                "--folds 5 of tutelage distill goes through all of them",
            )
        if self.fold and not self.is_path:
            raise UserError(f"data.fold goes with photos, and data.name is {self.name}", "name a folder there")
        if self.held_back and not (len(self.held_back) == 2 and 0 <= self.held_back[0] < self.held_back[1] > 1):
            raise UserError(
                f"data.held_back is {' '.join(map(str, self.held_back))}, expected two numbers: which part, from 0, of "
                "how many (2 or more)",
                "teacher.folds = 5 goes through all of them",
            )
        if not 0 < self.val_share < 1:
            raise UserError(
                f"data.val_share is {self.val_share:g}, expected a share above 0 and below 1", "0.1 is usual"
            )

    def check_name(self) -> None:
        """Raises UserError where there is no data set and no path of this name; what is in it is read later."""
        for name in filter(None, (self.name if self.is_path else "", self.unlabeled)):
            if not addresses.is_elsewhere(name) and not Path(name).expanduser().exists():
                raise UserError(f"there is no {name}", addresses.EXPECTED)
        if not self.is_path and self.name not in DATASETS:
            raise unknown("data set", self.name, DATASETS, "tutelage list datasets")

    @staticmethod
    def of(
        pictures: Any,
        labels: Any = None,
        *,
        classes: "Sequence[str]" = (),
        val: "tuple[Any, Any] | None" = None,
        test: "tuple[Any, Any] | None" = None,
        folder: Path | None = None,
    ) -> "Data":
        """Pictures in memory as data: written once as PNG files, and from then on photos like others.

        Args:
            pictures: To learn from. Arrays or tensors [N, H, W], [N, H, W, C] or [N, C, H, W] with C of 1 or 3, or a
                list of such pictures: uint8, or floats in [0, 1], which are rounded to 8 bits. With `labels` None: a
                torch Dataset of (picture, label), without random augmentation.
            labels: [N], whole numbers that count the classes from 0.
            classes: Their names; empty: the numbers. A data set counts its classes in the order of their names.
            val: Pictures and labels for validation; None: set aside from `pictures`.
            test: Likewise; None: set aside from `pictures`.
            folder: Where the files go; None: below $TUTELAGE_CACHE, under a hash of the pixels, so that the same
                pictures are the same data.

        Raises:
            UserError: another shape, type or range; labels that do not fit; a folder that exists.

        >>> import numpy as np
        >>> Data.of(np.zeros((2, 8, 8)), [0, 3], classes=["a", "b"])
        Traceback (most recent call last):
            ...
        tutelage.errors.UserError: label 3 in data of 2 classes
        <BLANKLINE>
        hint: labels count the classes from 0
        """
        from tutelage.data import arrays

        splits = {"train": (pictures, labels), "val": val, "test": test}
        return arrays.data_of({name: given for name, given in splits.items() if given is not None}, classes, folder)

    @property
    def is_path(self) -> bool:
        """Whether the name is a path to images, and not of the built-in sets."""
        if self.name in DATASETS:
            return False
        known = "/" in self.name or addresses.is_elsewhere(self.name) or self.name.lower().endswith(PATHS)
        return known or Path(self.name).expanduser().is_dir()

    @property
    def identity(self) -> dict[str, Any]:
        """Its fields that differ from their default, without what changes no pixel; a path by its images and splits."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        if self.is_path:
            from tutelage.data import index

            indexed = index.of(self)
            values["name"] = indexed.digest
            if self.group or index.duplicates(indexed.sound):
                values["group"] = _grouping(self, indexed)
            if self.unlabeled:
                values["unlabeled"] = index.of_unlabeled(self).digest
        return {
            name: value for name, value in values.items() if value and name not in ("keep", "look", "on_bad", "splits")
        }

    @property
    def labelled(self) -> "Data":
        """The same without the images that have no label."""
        return replace(self, unlabeled="")

    @property
    def whole(self) -> "Data":
        """The same with all of its training images."""
        return replace(self, held_back=())

    @property
    def title(self) -> str:
        """A short name for people and folders."""
        if addresses.ADDRESS in self.name:
            return unquote(PurePosixPath(self.name).stem)
        return Path(self.name).expanduser().resolve().stem if self.is_path else self.name


class Row(NamedTuple):
    """One line of `tutelage list datasets`."""

    module: str
    """The file in data/sets, whose function of the row's name is called with `root` and `train`."""
    classes: int
    channels: int
    size: int
    """Height and width in pixels."""
    train: int
    """Training images, those set aside for validation included."""
    test: int
    source: str
    licence: str
    mean: tuple[float, ...]
    """Per channel, over the training images in [0, 1]."""
    std: tuple[float, ...]


DATASETS: dict[str, Row] = {
    "digits": Row(
        *("digits", 10, 1, 8, 1438, 359, "Alpaydin & Kaynak 1998, in scikit-learn", "CC BY 4.0"),
        mean=(0.3056,),
        std=(0.3761,),
    ),
    "cifar10": Row(
        *("cifar", 10, 3, 32, 50_000, 10_000, "Krizhevsky 2009", "none stated"),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    "cifar100": Row(
        *("cifar", 100, 3, 32, 50_000, 10_000, "Krizhevsky 2009", "none stated"),
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
    "fashion_mnist": Row(
        *("fashion_mnist", 10, 1, 28, 60_000, 10_000, "Xiao, Rasul & Vollgraf 2017", "MIT"),
        mean=(0.2860,),
        std=(0.3530,),
    ),
}


def load(data: Data, root: Path | str | None = None) -> "DataSet":
    """The training and validation images of a data set.

    Args:
        data: Which set, and how much of it.
        root: The folder of the files (--data-root); else $TUTELAGE_DATA, else ~/.cache/tutelage/data.

    Raises:
        UserError: there is no such set; its files are missing and cannot be had, or are corrupt; too few images.
    """
    from tutelage.data import index

    seen = index.of(data) if data.is_path else None  # another one where a file came, went or changed
    more = index.of_unlabeled(data) if data.unlabeled else None
    return _load(data, Path(root) if root is not None else None, os.environ.get("TUTELAGE_DATA"), (seen, more))


@lru_cache(maxsize=1)
def _load(data: Data, root: Path | None, default_root: str | None, seen: object) -> "DataSet":
    """The last one is kept: a study, and the evaluation after a run, read and check the same files again."""
    from tutelage.data import splits

    return splits.load(data, root)


def _grouping(data: Data, indexed: "Index") -> str:
    """Names what keeps images of a path together where that changes its splits; empty: it does not."""
    from tutelage import files
    from tutelage.data import photos

    groups = photos.grouping(indexed, data)
    return files.digest(groups.tolist()) if len(groups) else ""


def unlabeled_images(data: Data) -> int:
    """How many images without a label a data set has."""
    if not data.unlabeled:
        return 0
    from tutelage.data import index, photos

    return len(photos.unlabeled(index.of(data), data))
