"""Finds the splits of a path: those that it names, or pieces of each class; always the same for the same images."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data import Data, index, place, turnstile
from tutelage.data.index import Entry, Index
from tutelage.data.stratify import stratified_order
from tutelage.errors import UserError
from tutelage.names import shown

if TYPE_CHECKING:
    from tutelage.data.files import FileImages

log = logging.getLogger(__name__)

TEST_SHARE = 0.2
"""Of every class, set aside as the test split where there is none."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's: what photos are normalised by where the weights say nothing else."""


class Pieces(NamedTuple):
    """Positions among the sound entries of an index."""

    train: Int64[Tensor, " N"]
    """In an order of which every beginning is a fair sample."""
    val: Int64[Tensor, " M"]


def sound(data: Data) -> Index:
    """The index of a data set's path.

    Raises:
        UserError: a file cannot be used, and data.on_bad is stop; fewer than two classes.
    """
    told = index.of(data)
    _refuse_broken(told, data, data.name)
    if not told.sound:
        first = told.broken[0]
        raise UserError(
            f"none of {len(told.broken):,} images of {data.name} can be used; the first is "
            f"{shown(first.place.file)}: {first.facts.broken}",
            "look at these files",
        )
    if len(told.classes) < 2:
        raise UserError(
            "\nnote: ".join((f"{data.name} has 1 class: {shown(told.classes[0])}", *told.notes)),
            "give a folder for each class",
        )
    return told


def remarks(told: Index) -> list[str]:
    """What of a path is not used, and what was understood in a way that may surprise: a sentence each."""
    scaled = Counter(entry.facts.bits for entry in told.sound if 0 < entry.facts.bits < 16)
    said = list(told.notes)
    if told.left_out:
        endings = place.few(f"{ending} {count:,}" for ending, count in told.left_out.most_common())
        said.append(f"left out: {endings}")
    if scaled:
        depths = place.few(f"{bits} bits {count:,}" for bits, count in sorted(scaled.items()))
        said.append(
            f"16-bit pictures whose values need fewer bits, scaled by these: {depths}; save them with 8 bits to choose"
        )
    return said


def labels_of(entries: list[Entry], classes: tuple[str, ...]) -> Int64[Tensor, " N"]:
    """Class numbers."""
    number = {name: i for i, name in enumerate(classes)}
    return torch.tensor([number[entry.place.label] for entry in entries], dtype=torch.int64)


def pieces(told: Index, data: Data) -> Pieces:
    """Which image belongs to which split that training sees.

    Raises:
        UserError: a split would lack a class.
    """
    return _cut(told, data)[0]


def set_aside(told: Index, data: Data) -> Int64[Tensor, " T"]:
    """Which images are the test split, ascending; for data/test_split.py.

    Raises:
        UserError: somebody else asks; a split would lack a class.
    """
    turnstile.require_passing("photos.set_aside")
    return _cut(told, data)[1]


def _cut(told: Index, data: Data) -> tuple[Pieces, Tensor]:
    """The pieces, and what is in none of them: the test split."""
    labels = labels_of(told.sound, told.classes)
    said = [entry.place.split for entry in told.sound]
    of = {name: torch.tensor([i for i, s in enumerate(said) if s == name], dtype=torch.int64) for name in set(said)}
    empty = torch.zeros(0, dtype=torch.int64)
    train = torch.cat([of.get("train", empty), of.get("", empty)]).sort().values
    test = of.get("test", empty)
    if not len(test):
        train, test = _carved(train, labels, TEST_SHARE, "test", told.classes)
    val = of.get("val", empty)
    if not len(val):
        train, val = _carved(train, labels, data.val_share, "val", told.classes)
    missing = set(range(len(told.classes))) - set(labels[train].tolist())
    if missing:
        names = ", ".join(told.classes[i] for i in sorted(missing))
        raise UserError(f"no training image of {names} in {data.name}", "every class needs some in train")
    return Pieces(train[stratified_order(labels[train], "part")], val), test


def read(data: Data) -> tuple[Index, Pieces, "FileImages", "FileImages"]:
    """Index, splits, and the images of train (`data.part` of them) and val.

    Raises:
        UserError: there are none, or too few of a class, or some cannot be used.
    """
    told = sound(data)
    for line in remarks(told):
        log.warning("%s", line)
    cut = pieces(told, data)
    log.info(
        "%s: %s images of %s classes (%s): train %s, val %s, test %s",
        *(data.title, f"{len(told.sound):,}", len(told.classes), place.few(told.classes)),
        *(f"{count:,}" for count in (len(cut.train), len(cut.val), len(told.sound) - len(cut.train) - len(cut.val))),
    )
    if data.part:
        if not len(told.classes) <= data.part <= len(cut.train):
            raise UserError(
                f"data.part is {data.part}, expected {len(told.classes)} to {len(cut.train)} training images of "
                f"{data.name}",
                "0 uses all",
            )
        cut = cut._replace(train=cut.train[: data.part])
    cut = cut._replace(train=cut.train.sort().values)
    more = unlabeled(told, data)
    if more:
        log.info("%s images without a label after %s labelled ones in train", f"{len(more):,}", f"{len(cut.train):,}")
    return told, cut, images(told, cut.train, data, "train", more), images(told, cut.val, data, "val")


def unlabeled(told: Index, data: Data) -> list[Entry]:
    """The images of `data.unlabeled`, at absolute places, without those that are among the labelled ones already."""
    if not data.unlabeled:
        return []
    known = {entry.facts.sha for entry in told.entries}
    more = index.read(data.unlabeled, labelled=False)
    _refuse_broken(more, data, data.unlabeled)
    for line in remarks(more):
        log.warning("%s: %s", data.unlabeled, line)
    new = [entry for entry in more.sound if entry.facts.sha not in known]
    root = more.root.absolute()
    return [entry._replace(place=entry.place._replace(file=str(root / entry.place.file))) for entry in new]


def images(
    told: Index, positions: Int64[Tensor, " N"], data: Data, split: str, more: Sequence[Entry] = ()
) -> "FileImages":
    """The images of one split, decoded where that is to be kept; `more` after them, with the label -1."""
    from tutelage.data.files import FileImages
    from tutelage.data.store import VERSIONS, Decoder, kept

    side = data.size or told.size
    labelled = [told.sound[i] for i in positions.tolist()]
    entries = [*labelled, *more]
    labels = torch.cat([labels_of(labelled, told.classes), torch.full((len(more),), -1)])
    decoder = Decoder(Path(told.root).absolute(), tuple(entries), side, "evaluation")
    shown = [entry.facts.pixels for entry in entries]
    if split == "train":
        photos = kept(dataclasses.replace(decoder, purpose="training"), data.keep, "decoding train")
        return FileImages(photos, decoder, labels, files.digest(shown))
    squares = kept(decoder, data.keep, f"decoding {split}")
    return FileImages(squares, decoder, labels, files.digest([VERSIONS["evaluation"], *shown]), squares)


def _refuse_broken(told: Index, data: Data, name: str) -> None:
    if told.broken and data.on_bad == "stop":
        named = "; ".join(f"{entry.place.file}: {entry.facts.broken}" for entry in told.broken[:3])
        more = f" and {len(told.broken) - 3} more" if len(told.broken) > 3 else ""
        raise UserError(
            f"{len(told.broken)} of {len(told.entries):,} images cannot be used: {named}{more}",
            f"tutelage data check {name} lists them; mend or remove them, or set data.on_bad = skip",
        )


def _carved(
    train: Tensor, labels: Tensor, share: float, purpose: str, classes: tuple[str, ...]
) -> tuple[Tensor, Tensor]:
    """What is left of a split, and what was set aside of it, both ascending."""
    order = train[stratified_order(labels[train], purpose)]
    aside = round(share * len(order))
    if min(aside, len(order) - aside) < len(classes):
        raise UserError(
            f"{len(order)} images of {len(classes)} classes are too few to set {share:.0%} of them aside for {purpose}",
            "add images of every class, or give folders train, val and test",
        )
    return order[aside:].sort().values, order[:aside].sort().values
