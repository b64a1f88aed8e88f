"""Keeps what reading every file of a path once has shown of its images, so that later starts are instant.

One line an image in `index-<digest of the path>.jsonl` in the cache folder. A file is read again where its size or its
time of change differs. Imports no torch.
"""

import hashlib
import json
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tutelage import files
from tutelage.data import Data, huggingface, places, reading
from tutelage.data.place import Place
from tutelage.data.reading import Facts
from tutelage.errors import UserError
from tutelage.progress import advancing

log = logging.getLogger(__name__)

DRAWN = 64
"""Files whose contents are compared at a start."""
VERSION = 3
"""The version of the index's lines: raise it when `Facts` or what they mean changes."""
SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sides that networks are usually given."""


class Entry(NamedTuple):
    """One image: where it is, and what reading it told."""

    place: Place
    facts: Facts


class Index:
    """The images of a path.

    Args:
        root: What the places are relative to.
        entries: In their order; broken ones too.
        left_out: Files that are no images, by ending.
        notes: What is not used, or may be understood in another way: a sentence each.
    """

    def __init__(self, root: Path, entries: list[Entry], left_out: Counter[str], notes: Sequence[str] = ()):
        self.root, self.entries, self.left_out, self.notes = root, entries, left_out, tuple(notes)

    @cached_property
    def sound(self) -> list[Entry]:
        """Those that can be used."""
        return [entry for entry in self.entries if not entry.facts.broken]

    @cached_property
    def broken(self) -> list[Entry]:
        """Those that cannot; their facts say why."""
        return [entry for entry in self.entries if entry.facts.broken]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names in alphabetical order: a class's number is its place here."""
        return tuple(sorted({entry.place.label for entry in self.sound}))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the images hold, their order, classes and splits: not of where they are."""
        return files.digest([[e.place.split, e.place.label, e.facts.pixels] for e in self.sound])

    @property
    def size(self) -> int:
        """A side in pixels that suits them: the largest usual one that half of the images reach on both sides."""
        sides = sorted(min(entry.facts.width, entry.facts.height) for entry in self.sound)
        if not sides:
            return SIZES[-1]
        middle = sides[len(sides) // 2]
        return max((size for size in SIZES if size <= middle), default=middle)


def cache_folder() -> Path:
    """$TUTELAGE_CACHE, else ~/.cache/tutelage/photos: indices, decoded images, sets of the hub; can be made anew."""
    return Path(os.environ.get("TUTELAGE_CACHE") or Path.home() / ".cache" / "tutelage" / "photos")


_latest: dict[tuple[str, bool, str], tuple[object, Index]] = {}
"""Indices of this process, by path, with the folders' times at that moment."""


def read(name: str, *, labelled: bool = True, splits: str = "", compare_all: bool = False) -> Index:
    """The index of a path: files that were never read, or have changed, are read now.

    Of files whose size and time are as they were, some are drawn once a process and their contents compared too.

    Args:
        name: A folder, table or tar file, or a name of the hub.
        labelled: False: any images below it, without labels.
        splits: Which folders are splits, as --data.splits says.
        compare_all: Compare the contents of all files.

    Raises:
        UserError: there is no such path, or its layout is not known; the hub cannot be reached.
    """
    hub = name.startswith(huggingface.HUB)
    path = huggingface.fetched(name, cache_folder()) if hub else Path(name).expanduser()
    key = (str(path.absolute()), labelled, splits)
    if not compare_all and key in _latest and _latest[key][0] == _times(path, _latest[key][1]):
        return _latest[key][1]
    listing = places.listing(path, labelled=labelled, splits=splits)
    files.sweep(cache_folder(), ".index-*")
    file = _file(path, labelled, splits)
    known = dict(_load(file))
    changed = _changed(listing.root, [(place, known[place]) for place in listing.places if place in known], compare_all)
    for place in changed:
        del known[place]
    new = [place for place in listing.places if place not in known]
    if new or len(known) != len(listing.places):
        with ThreadPoolExecutor(os.cpu_count()) as pool, advancing(f"reading {name}", len(new)) as advance:
            for place, facts in zip(new, pool.map(lambda p: reading.inspect(listing.root, p), new), strict=True):
                known[place] = facts
                advance(1)
        _save(file, [Entry(place, known[place]) for place in listing.places])
    entries = [Entry(place, known[place]) for place in listing.places]
    index = Index(listing.root, entries, listing.left_out, listing.notes)
    _latest[key] = (_times(path, index), index)
    return index


def of(data: Data, *, compare_all: bool = False) -> Index:
    """The index of a data set's path: see `read`."""
    return read(data.name, splits=data.splits, compare_all=compare_all)


def duplicates(entries: list[Entry]) -> list[list[int]]:
    """Groups of positions that show the very same pixels."""
    by_pixels: dict[str, list[int]] = {}
    for position, entry in enumerate(entries):
        by_pixels.setdefault(entry.facts.shown or entry.facts.sha, []).append(position)
    return [group for group in by_pixels.values() if len(group) > 1]


def _times(path: Path, index: Index) -> object:
    """The times of the folders (of the file itself): they change when a file comes, goes or gets another name."""
    folders = {str(path), *(str((index.root / entry.place.file).parent) for entry in index.entries)}
    try:
        return {folder: os.stat(folder).st_mtime_ns for folder in folders}
    except OSError:
        return None


def _file(path: Path, labelled: bool, splits: str = "") -> Path:
    named = f"{path.resolve()} {labelled}{splits}"
    digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / f"index-{digest[:16]}.jsonl"


def _changed(root: Path, known: list[tuple[Place, Facts]], compare_all: bool) -> list[Place]:
    """The files, of some that are drawn, whose contents are not as they were; once there is one, of all."""
    drawn = known if compare_all else random.SystemRandom().sample(known, min(DRAWN, len(known)))

    def is_other(entry: tuple[Place, Facts]) -> bool:
        place, facts = entry
        try:
            return hashlib.sha256(reading.content(root, place)).hexdigest() != facts.sha
        except (OSError, MemoryError, ValueError, OverflowError):  # as `reading.inspect`
            return bool(facts.sha)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [entry[0] for entry, other in zip(drawn, pool.map(is_other, drawn), strict=True) if other]
    if found and not compare_all:
        return _changed(root, known, compare_all=True)
    if found:
        log.warning(
            "%s of %s files have other contents under the same size and time (%s, ...): they are read anew",
            *(f"{len(found):,}", f"{len(known):,}", found[0].file),
        )
    return found


def _load(file: Path) -> Iterator[tuple[Place, Facts]]:
    """What was read before; nothing, and a sentence, where the index is damaged: the images are read anew."""
    if not file.exists():
        return
    head, _, body = file.read_bytes().partition(b"\n")
    try:
        first = json.loads(head)
        if not isinstance(first, dict):
            raise TypeError
        if first.get("version") != VERSION:
            return
        if first.get("sha256", _seal(file, body)) != _seal(file, body):
            raise ValueError
        lines = [json.loads(line) for line in body.splitlines()]
        found = [(Place(*line["place"]), Facts(*line["facts"])) for line in lines]
    except (ValueError, TypeError, KeyError):
        log.warning("%s is damaged; the images are read anew", file)
        return
    yield from found


def _seal(file: Path, body: bytes) -> str:
    return hashlib.sha256(body + file.name.encode()).hexdigest()


def _save(file: Path, entries: list[Entry]) -> None:
    try:
        body = "".join(json.dumps(entry._asdict()) + "\n" for entry in entries).encode()
        head = json.dumps({"version": VERSION, "sha256": _seal(file, body)}).encode()
        with files.appearing(file) as beside:
            beside.write_bytes(head + b"\n" + body)
    except OSError as error:
        raise UserError(
            f"cannot write the index {file}: {error.strerror}", "let TUTELAGE_CACHE name a folder that can be written"
        ) from None
