"""Finds the splits of a path: those that it names, or pieces of each class; always the same for the same images."""

import dataclasses
import logging
import shlex
from collections import Counter
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data import Data, groups, index, leaks, place, turnstile
from tutelage.data.index import Index
from tutelage.data.rows import Joined, Rows
from tutelage.data.stratify import drawn, stratified_order
from tutelage.errors import UserError
from tutelage.names import shown
from tutelage.progress import counted
from tutelage.shares import percent

if TYPE_CHECKING:
    from tutelage.data.files import FileImages

log = logging.getLogger(__name__)

TEST_SHARE = 0.2
"""The share of every class that is set aside as the test split where there is none."""
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
    indexed = index.of(data)
    _refuse_broken(indexed, data, data.name)
    if not len(indexed.sound):
        first = indexed.broken[0]
        raise UserError(
            f"none of {len(indexed.broken):,} images of {data.name} can be used; the first is "
            f"{shown(first.place.file)}: {first.facts.broken}",
            "look at these files",
        )
    if len(indexed.classes) < 2:
        notes, way = [*indexed.notes], "give a folder for each class, or a table with two labels or more"
        if len(indexed.broken):
            first = indexed.broken[0]
            what = f"{shown(first.place.file)}: {first.facts.broken}"
            notes.append(f"{counted(len(indexed.broken), 'image')} cannot be used; the first is {what}")
            way = f"look at these files; or {way}"
        raise UserError("\nnote: ".join((f"{data.name} has 1 class: {shown(indexed.classes[0])}", *notes)), way)
    return indexed


def remarks(indexed: Index) -> list[str]:
    """What of a path is not used, and what was understood in a way that may surprise: a sentence each."""
    scaled: Counter[int] = Counter()
    for traits, count in indexed.sound.traits():
        if 0 < traits.bits < 16:
            scaled[traits.bits] += count
    sentences = list(indexed.notes)
    if indexed.left_out:
        endings = place.few(f"{ending} {count:,}" for ending, count in indexed.left_out.most_common())
        sentences.append(f"left out: {endings}")
    if scaled:
        depths = place.few(f"{bits} bits {count:,}" for bits, count in sorted(scaled.items()))
        sentences.append(
            f"16-bit pictures whose values need fewer bits, scaled by these: {depths}; save them with 8 bits to choose"
        )
    return sentences


def of_groups(indexed: Index, data: Data) -> list[str]:
    """What is kept together, and where that has no effect: a sentence or none."""
    if not data.group:
        return []
    group_of, single = groups.of_data(indexed, data), groups.alone(indexed, data)
    count = len(np.unique(group_of))
    sentence = f"data.group: {len(group_of):,} images in {count:,} groups, none of which a carved split cuts"
    split_of, words = indexed.sound.column("split"), indexed.rows.words.splits
    of_training = ("", "train", *(("val",) if data.fold else ()))
    trained = np.isin(split_of, [number for number, word in enumerate(words) if word in of_training])
    if cut := len(np.intersect1d(group_of[trained], group_of[~trained])):
        sentence += f"; {cut:,} are in train and beside it, as the splits are given: what is measured may be too good"
    if single:
        sentence += f"; {counted(single, 'image')} in no group, each by itself"
    if indexed.splits >= {"val", "test"}:
        sentence += "; val and test are given, so nothing is carved"
    return [sentence]


def labels_of(rows: Rows, classes: tuple[str, ...]) -> Int64[Tensor, " N"]:
    """Class numbers."""
    number = {name: i for i, name in enumerate(classes)}
    of_word = np.array([number.get(label, -1) for label in rows.words.labels], np.int64)
    return torch.from_numpy(of_word[rows.column("label")])


def pieces(indexed: Index, data: Data) -> Pieces:
    """Which image belongs to which split that training sees.

    Raises:
        UserError: a split would lack a class.
    """
    return _cut(indexed, data)[0]


def set_aside(indexed: Index, data: Data) -> Int64[Tensor, " T"]:
    """Which images are the test split, ascending; for data/test_split.py.

    Raises:
        UserError: somebody else asks; a split would lack a class.
    """
    turnstile.require_passing("photos.set_aside")
    return _cut(indexed, data)[1]


def grouping(indexed: Index, data: Data) -> np.ndarray:
    """The groups by which these images are split otherwise than without; empty: none is cut in two without, either.

    What --data.group says counts always; copies count where a carved split would come between them.
    """
    group_of = groups.of_data(indexed, data)
    if data.group:
        return group_of
    if len(np.unique(group_of)) == len(group_of):
        return group_of[:0]
    plain, grouped = _cut_by(indexed, data, grouped=False), _cut_by(indexed, data, grouped=True)
    return group_of[:0] if torch.equal(plain[1], grouped[1]) and torch.equal(plain[0].val, grouped[0].val) else group_of


@lru_cache(maxsize=4)
def _cut(indexed: Index, data: Data) -> tuple[Pieces, Tensor]:
    """The pieces, and the test split."""
    cut, test = _cut_by(indexed, data, grouped=True)
    if data.on_leak == "drop":
        leaked = leaks.in_training(indexed, cut.train.numpy(), torch.cat([cut.val, test]).numpy())
        cut = cut._replace(train=cut.train[~torch.isin(cut.train, torch.tensor(leaked, dtype=torch.int64))])
        _refuse_absent_classes(labels_of(indexed.sound, indexed.classes)[cut.train], indexed, data)
    return cut, test


@lru_cache(maxsize=4)
def _cut_by(indexed: Index, data: Data, *, grouped: bool) -> tuple[Pieces, Tensor]:
    """The same, by groups that are kept whole, or image by image; before any is dropped."""
    labels = labels_of(indexed.sound, indexed.classes)
    numbers = torch.from_numpy(groups.of_data(indexed, data)) if grouped else torch.arange(len(labels))
    split_of, words = indexed.sound.column("split"), indexed.rows.words.splits
    named = {name: torch.from_numpy(np.flatnonzero(split_of == number)) for number, name in enumerate(words)}
    empty = torch.zeros(0, dtype=torch.int64)
    train = torch.cat([named.get("train", empty), named.get("", empty)]).sort().values
    test, val = named.get("test", empty), named.get("val", empty)
    if not len(test):
        train, test = _carved(train, labels, numbers, TEST_SHARE, "test")
    if data.fold:
        train, val = _fold(torch.cat([train, val]).sort().values, labels, numbers, data)
    elif not len(val):
        train, val = _carved(train, labels, numbers, data.val_share, "val")
    _refuse_absent_classes(labels[train], indexed, data)
    return Pieces(train[stratified_order(labels[train], "part")], val), test


def _refuse_absent_classes(trained: Tensor, indexed: Index, data: Data) -> None:
    missing = set(range(len(indexed.classes))) - set(trained.unique().tolist())
    if missing:
        names = ", ".join(indexed.classes[i] for i in sorted(missing))
        dropped = "; data.on_leak = drop took some away" if data.on_leak == "drop" else ""
        raise UserError(f"no training image of {names} in {data.name}{dropped}", "every class needs some in train")


def read(data: Data) -> tuple[Index, Pieces, "FileImages", "FileImages"]:
    """Index, splits, and the images of train (`data.part` of them) and val.

    Raises:
        UserError: there are none, or too few of a class, or some cannot be used.
    """
    indexed = sound(data)
    for line in remarks(indexed):
        log.warning("%s", line)
    for line in of_groups(indexed, data):
        log.info("%s", line)
    cut, test = _cut(indexed, data)
    log.info(
        "%s: %s images of %s classes (%s): train %s, val %s, test %s",
        *(data.title, f"{len(indexed.sound):,}", len(indexed.classes), place.few(indexed.classes)),
        *(f"{count:,}" for count in (len(cut.train), len(cut.val), len(test))),
    )
    if dropped := len(indexed.sound) - len(cut.train) - len(cut.val) - len(test):
        log.info("%s training images left out: val or test has a copy or near copy of them", f"{dropped:,}")
    if data.part:
        if not len(indexed.classes) <= data.part <= len(cut.train):
            raise UserError(
                f"data.part is {data.part}, expected {len(indexed.classes)} to {len(cut.train)} training images of "
                f"{data.name}",
                "0 uses all",
            )
        cut = cut._replace(train=cut.train[: data.part])
    cut = cut._replace(train=cut.train.sort().values)
    more = unlabeled(indexed, data)
    if len(more):
        log.info("%s images without a label after %s labelled ones in train", f"{len(more):,}", f"{len(cut.train):,}")
    return indexed, cut, images(indexed, cut.train, data, "train", more), images(indexed, cut.val, data, "val")


def unlabeled(indexed: Index, data: Data) -> Rows:
    """The images of `data.unlabeled`, at absolute places, without those that are among the labelled ones already."""
    if not data.unlabeled:
        return indexed.rows[:0]
    more = index.of_unlabeled(data)
    _refuse_broken(more, data, data.unlabeled)
    for line in remarks(more):
        log.warning("%s: %s", data.unlabeled, line)
    known, shas = (np.ascontiguousarray(rows.column("sha")).view("V32").ravel() for rows in (indexed.rows, more.sound))
    return more.sound.take(np.flatnonzero(~np.isin(shas, known))).below(more.root.absolute())


def images(
    indexed: Index, positions: Int64[Tensor, " N"], data: Data, split: str, more: Rows | None = None
) -> "FileImages":
    """The images of one split, decoded where that is to be kept; `more` after them, with the label -1."""
    from tutelage.data.files import FileImages
    from tutelage.data.store import VERSIONS, Decoder, kept

    side = data.size or indexed.size
    labelled = indexed.sound.take(positions.numpy())
    entries = Joined(labelled, more) if more is not None and len(more) else labelled
    labels = labels_of(labelled, indexed.classes)
    labels = torch.cat([labels, torch.full((len(entries) - len(labels),), -1)])
    decoder = Decoder(Path(indexed.root).absolute(), entries, side, "evaluation")
    if split == "train":
        photos = kept(dataclasses.replace(decoder, purpose="training"), data.keep, "decoding train")
        return FileImages(photos, decoder, labels, files.digest(entries.pixels()))
    squares = kept(decoder, data.keep, f"decoding {split}")
    return FileImages(
        squares, decoder, labels, files.digest(chain([VERSIONS["evaluation"]], entries.pixels())), squares
    )


def _refuse_broken(indexed: Index, data: Data, name: str) -> None:
    if len(indexed.broken) and data.on_bad == "stop":
        named = "; ".join(f"{entry.place.file}: {entry.facts.broken}" for entry in indexed.broken[:3])
        more = f" and {len(indexed.broken) - 3} more" if len(indexed.broken) > 3 else ""
        raise UserError(
            f"{len(indexed.broken)} of {len(indexed.rows):,} images cannot be used: {named}{more}",
            ("" if name == data.unlabeled else f"tutelage data check {shlex.quote(name)} lists them; ")
            + "mend or remove them, or set data.on_bad = skip",
        )


def _fold(images: Tensor, labels: Tensor, groups: Tensor, data: Data) -> tuple[Tensor, Tensor]:
    """All images but those of one fold, and these: each fold is carved of what the folds before it left."""
    number, folds, division = data.fold
    rest, parts = images, []
    for left in range(folds, 1, -1):
        try:
            rest, aside = _carved(rest, labels, groups, 1 / left, f"validation (division {division})")
        except UserError as error:
            raise UserError(error.message, "fewer folds, or more images of every class") from None
        parts.append(aside)
    val = [*parts, rest][number]
    return images[~torch.isin(images, val)], val


def _carved(train: Tensor, labels: Tensor, groups: Tensor, share: float, purpose: str) -> tuple[Tensor, Tensor]:
    """What is left of a split, and what was set aside of it, both ascending; without cutting a group in two."""
    classes, count, group_of = len(labels.unique()), round(share * len(train)), groups[train]
    aside = drawn(labels[train], group_of, share, purpose)
    if min(count, len(train) - count) < classes or not aside.any():
        in_groups = f" in {len(group_of.unique())} groups" if len(group_of.unique()) < len(group_of) else ""
        what = f"{len(train)} images of {classes} classes{in_groups}"
        raise UserError(
            f"{what} are too few to set {percent(share, 0)} of them aside for {purpose}",
            "add images of every class, or give folders train, val and test",
        )
    return train[~aside], train[aside]
