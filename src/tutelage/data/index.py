"""Keeps what reading every file of a path once has shown of its images, so that later starts are instant.

A row an image in `index-<digest of the path>.rows` in the cache folder. A file is read again where its size or its time
of change differs. Of many images the headers alone are read. Imports no torch.
"""

import errno
import hashlib
import logging
import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from tutelage import files
from tutelage.data import Data, Look, addresses, places, reading, rowfile
from tutelage.data.facts import FactsColumns
from tutelage.data.facts import of as rows_of
from tutelage.data.places import Listing
from tutelage.data.reading import Facts
from tutelage.data.rows import Rows
from tutelage.errors import Damaged, UserError
from tutelage.progress import advancing

log = logging.getLogger(__name__)

DRAWN = 64
"""Files whose contents are compared at a start."""
MANY = 200_000
"""Images from which on headers are read instead of whole files, where nothing else is asked for."""
_BY_HEADERS = (
    "{count:,} photos, of which the headers were read: damage in pixels, and copies in other bytes, are not known; "
    "tutelage data check reads them whole, and so does --data.look whole"
)
SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sides that networks are usually given."""


class Index:
    """The images of a path.

    Args:
        root: What the places are relative to.
        rows: In their order; broken ones too.
        left_out: Files that are no images, by ending.
        notes: What is not used, or may be understood in another way: a sentence each.
        headers: Whether headers alone were read.
    """

    def __init__(
        self, root: Path, rows: Rows, left_out: Counter[str], notes: Sequence[str] = (), *, headers: bool = False
    ):
        self.root, self.rows, self.left_out, self.notes, self.headers = root, rows, left_out, tuple(notes), headers

    @cached_property
    def sound(self) -> Rows:
        """Those that can be used."""
        broken = self._are_broken
        return self.rows.take(np.flatnonzero(~broken)) if broken.any() else self.rows

    @cached_property
    def broken(self) -> Rows:
        """Those that cannot; their facts say why."""
        return self.rows.take(np.flatnonzero(self._are_broken))

    @property
    def splits(self) -> set[str]:
        """Those that are named; among them "" where some images are in none."""
        return {self.rows.words.splits[number] for number in np.unique(self.sound.column("split"))}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names in alphabetical order: a class's number is its place here."""
        return tuple(self.rows.words.labels[number] for number in np.unique(self.sound.column("label")))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the images hold, their order, classes and splits: not of where they are."""
        if "digest" in self.rows.remembered:
            return self.rows.remembered["digest"]
        splits = (self.rows.words.splits[number] for number in self.sound.column("split"))
        return files.digest(map(list, zip(splits, self.sound.labels(), self.sound.pixels(), strict=True)))

    @property
    def size(self) -> int:
        """A side in pixels that suits them: the largest usual one that half of the images reach on both sides."""
        sides = np.sort(np.minimum(self.sound.column("width"), self.sound.column("height")))
        if not len(sides):
            return SIZES[-1]
        middle = int(sides[len(sides) // 2])
        return max((size for size in SIZES if size <= middle), default=middle)

    @property
    def _are_broken(self) -> np.ndarray:
        return np.array([bool(traits.broken) for traits in self.rows.words.traits])[self.rows.column("traits")]


_latest: dict[tuple[str, ...], tuple[object, Index, frozenset[Path]]] = {}
"""Indices of this process, by path, with the folders of the files and their times at that moment."""


def read(
    name: str, *, labelled: bool = True, splits: str = "", look: Look = "auto", compare_all: bool = False
) -> Index:
    """The index of a path: files that were never read, or have changed, are read now.

    Of files whose size and time are as they were, some are drawn once a process and their contents compared too.

    Args:
        name: A folder, table or tar file, here or at an address, or a name of the hub.
        labelled: False: any images below it, without labels.
        splits: Which folders are splits, as --data.splits says.
        look: "whole": files are decoded; "headers": as `reading.glance` does; "auto": whole up to `MANY` images.
        compare_all: Compare the contents of all files.

    Raises:
        UserError: there is no such path, or its layout is not known; it is elsewhere and cannot be had.
    """
    path = addresses.here(name)
    key = (str(path.absolute()), str(labelled), splits, look)
    if not compare_all and key in _latest and _latest[key][0] == _times(_latest[key][2]):
        return _latest[key][1]
    listing = places.listing(path, labelled=labelled, splits=splits)
    headers = look == "headers" or (look == "auto" and len(listing.rows) > MANY)
    files.sweep(files.cache_folder(), ".index-*")
    file = _file(path, labelled, splits, "headers" * headers)
    rows = _load(file)
    positions = listing.rows.found_in(rows)
    if len(rows) == len(positions) and np.array_equal(positions, np.arange(len(positions))):
        listing = listing._replace(rows=rows)  # the same places: those of a million files are not kept twice
    known = np.flatnonzero(positions >= 0)
    changed = _changed(listing.root, rows.take(positions[known]), compare_all)
    positions[known[changed]] = -1
    if len(rows) != len(positions) or not np.array_equal(positions, np.arange(len(positions))):
        _save(file, _completed(name, listing, rows, positions, headers=headers))
        rows = _load(file)
    notes = [*listing.notes, *[_BY_HEADERS.format(count=len(rows))] * (headers and look == "auto")]
    index = Index(listing.root, rows, listing.left_out, notes, headers=headers)
    folders = frozenset({path, *(listing.root / folder for folder in listing.folders)})
    _latest[key] = (_times(folders), index, folders)
    return index


def of(data: Data, *, compare_all: bool = False) -> Index:
    """The index of a data set's path: see `read`."""
    return read(data.name, splits=data.splits, look=data.look, compare_all=compare_all)


def of_unlabeled(data: Data) -> Index:
    """The index of its images without a label, read as the labelled ones are, so that copies of these are found."""
    look: Look = "headers" if of(data).headers else "whole"
    return read(data.unlabeled, labelled=False, look=look)


def duplicates(rows: Rows) -> list[list[int]]:
    """Groups of positions that show the very same pixels."""
    of_group = rows.same
    several = np.bincount(of_group)[of_group] > 1 if len(of_group) else np.zeros(0, bool)
    groups: dict[int, list[int]] = {}
    for position in np.flatnonzero(several).tolist():
        groups.setdefault(int(of_group[position]), []).append(position)
    return list(groups.values())


def _times(folders: frozenset[Path]) -> object:
    """The times of the folders (of the file itself): they change when a file comes, goes or gets another name."""
    try:
        return {folder: os.stat(folder).st_mtime_ns for folder in folders}
    except OSError:
        return None


def _file(path: Path, labelled: bool, splits: str = "", look: str = "") -> Path:
    named = f"{path.resolve()} {labelled}{splits}{look}"
    digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()
    return files.cache_folder() / f"index-{digest[:16]}.rows"


def _completed(name: str, listing: Listing, known: Rows, positions: np.ndarray, *, headers: bool) -> Rows:
    """The rows of a listing with their facts: those at these positions of what is known, and others read now."""
    facts = FactsColumns(len(positions))
    facts.copy(np.flatnonzero(positions >= 0), known, positions[positions >= 0])
    new = np.flatnonzero(positions < 0)
    look, part = (reading.glance, 256) if headers else (reading.inspect, 8)

    def looked_at(rows: np.ndarray) -> list[Facts]:
        return [look(listing.root, listing.rows[row].place) for row in rows.tolist()]

    with ThreadPoolExecutor(os.cpu_count()) as pool, advancing(f"reading {name}", len(new)) as advance:
        for first in range(0, len(new), 1 << 13):  # so that not all of them wait in memory
            of_block = new[first : first + (1 << 13)]
            parts = np.split(of_block, range(part, len(of_block), part))
            for rows, found in zip(parts, pool.map(looked_at, parts), strict=True):
                for row, of_row in zip(rows.tolist(), found, strict=True):
                    facts.put(row, of_row)
                advance(len(rows))
    return facts.beside(listing.rows.words, listing.rows.names, listing.rows.columns)


def _changed(root: Path, known: Rows, compare_all: bool) -> np.ndarray:
    """Positions of files, of some that are drawn, whose contents are not as they were; once there is one, of all."""
    every = range(len(known))
    drawn = every if compare_all else random.SystemRandom().sample(every, min(DRAWN, len(every)))

    def is_other(position: int) -> bool:
        place, facts = known[position]
        return not reading.is_as(facts, root, place)

    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(drawn), 1 << 13):
            part = drawn[first : first + (1 << 13)]
            found += [position for position, other in zip(part, pool.map(is_other, part), strict=True) if other]
    if found and not compare_all:
        return _changed(root, known, compare_all=True)
    if found:
        log.warning(
            "%s of %s files have other contents under the same size and time (%s, ...): they are read anew",
            *(f"{len(found):,}", f"{len(known):,}", known[found[0]].place.file),
        )
    return np.array(sorted(found), np.int64)


def _load(file: Path) -> Rows:
    """What was read before; nothing, and a sentence, where the index is damaged: the images are read anew."""
    try:
        return rowfile.read(file) or rows_of([])
    except Damaged:
        log.warning("%s is damaged; the images are read anew", file)
        return rows_of([])


def _save(file: Path, rows: Rows) -> None:
    try:
        rowfile.write(file, rows, {"digest": Index(Path(), rows, Counter()).digest})
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
        way = "free some space there, or let TUTELAGE_CACHE name another folder"
        raise UserError(
            f"cannot write the index {file}: {error.strerror}",
            way if full else "let TUTELAGE_CACHE name a folder that can be written",
        ) from None
