"""Writes pictures in memory, arrays or a torch Dataset, as PNG files: from then on they are photos like others.

So they have the same addresses, splits, checks for copies and test split as a folder that was there before.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tutelage import files
from tutelage.data import Data
from tutelage.errors import UserError

Pictures = Any
"""Arrays or tensors [N, H, W], [N, H, W, C] or [N, C, H, W] with C of 1 or 3; a list of pictures; a torch Dataset."""


class Labelled(NamedTuple):
    """One split."""

    pictures: list[np.ndarray]
    """uint8 [H, W] or [H, W, 3]."""
    labels: list[int]


def data_of(splits: dict[str, tuple[Pictures, Any]], classes: Sequence[str], folder: Path | None) -> Data:
    """See `Data.of`."""
    read = {name: _labelled(name, *given) for name, given in splits.items()}
    most = max(label for split in read.values() for label in split.labels)
    names = list(classes) or [f"{label:0{len(str(most))}d}" for label in range(most + 1)]
    if most >= len(names):
        raise UserError(f"label {most} in data of {len(names)} classes", "labels count the classes from 0")
    path = folder or files.cache_folder() / f"arrays-{_digest(read, names)[:16]}"
    if path.exists() and folder is not None:
        raise UserError(f"{path} exists already", f"name a new folder, or use the old one: Data({str(path)!r})")
    if not path.exists():
        with files.appearing_folder(path) as beside:
            for name, split in read.items():
                _write(beside / name, split, names)
    return Data(str(path))


def _write(folder: Path, split: Labelled, names: Sequence[str]) -> None:
    digits = len(str(len(split.labels)))
    for label in sorted(set(split.labels)):
        if Path(names[label]).name != names[label] or names[label].startswith("."):
            raise UserError(f"the class {names[label]!r} cannot be a folder's name", "choose names without / and dots")
        (folder / names[label]).mkdir(parents=True)
    for number, (picture, label) in enumerate(zip(*split, strict=True)):
        Image.fromarray(picture).save(folder / names[label] / f"{number:0{digits}d}.png")


def _labelled(split: str, pictures: Pictures, labels: Any) -> Labelled:
    if labels is None:
        pairs = [pictures[number] for number in range(len(pictures))]
        pictures, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if len(pictures) != len(labels) or not len(labels):
        raise UserError(
            f"{split}: {len(pictures)} pictures and {len(labels)} labels", "give one label a picture, at least one"
        )
    return Labelled([_pixels(split, picture) for picture in pictures], [_label(split, label) for label in labels])


def _pixels(split: str, picture: Any) -> np.ndarray:
    """uint8 [H, W] or [H, W, 3].

    Raises:
        UserError: it has another shape, or numbers that are no pixels.
    """
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise UserError(
            f"{split}: a picture of shape {list(np.shape(picture))}",
            "pictures are [H, W], [H, W, C] or [C, H, W], C 1 or 3",
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f" or not (array.min() >= 0 and array.max() <= 1):
        raise UserError(
            f"{split}: pixels of type {array.dtype} from {array.min():g} to {array.max():g}",
            "give uint8 from 0 to 255, or floats from 0 to 1: as they are before any normalisation",
        )
    return np.rint(array * 255).astype(np.uint8)


def _label(split: str, label: Any) -> int:
    number = np.asarray(label)
    if number.shape or number.dtype.kind not in "iu" or number < 0:
        raise UserError(f"{split}: the label {label!r}", "labels are whole numbers that count the classes from 0")
    return int(number)


def _digest(splits: dict[str, Labelled], names: Iterable[str]) -> str:
    digest = hashlib.sha256(repr(list(names)).encode())
    for name, split in splits.items():
        digest.update(repr((name, split.labels, [picture.shape for picture in split.pictures])).encode())
        for picture in split.pictures:
            digest.update(picture.tobytes())
    return digest.hexdigest()
