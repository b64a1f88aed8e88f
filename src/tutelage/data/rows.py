"""Holds what is known of images in columns, a few bytes an image; rowfile.py keeps them in a file.

A million images as Python objects take more than a gigabyte in every process. Here a column is an array, which may be
mapped from a file, and an `Entry` is made when it is asked for. Imports no torch.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from tutelage.data.place import Place
from tutelage.data.reading import Facts

PLACES: dict[str, tuple[str, int]] = {
    "split": ("<u2", 1),
    "label": ("<i4", 1),
    "bytes": ("<i8", 1),
    "mtime": ("<i8", 1),
    "offset": ("<i8", 1),
    "length": ("<i8", 1),
    "end": ("<i8", 1),
}
"""Columns of places: type and values a row. `end` is where a file's name ends among all names, each closed by a 0."""
FACTS: dict[str, tuple[str, int]] = {
    "sha": ("|u1", 32),
    "shown": ("|u1", 16),
    "width": ("<i4", 1),
    "height": ("<i4", 1),
    "traits": ("<i4", 1),
}
"""Columns of facts; zeros in `sha` and `shown` are empty. `traits` is a number of `Words.traits`."""
Columns = Mapping[str, np.ndarray]


class Traits(NamedTuple):
    """The facts that many images share."""

    mode: str = ""
    format: str = ""
    turned: bool = False
    frames: int = 1
    broken: str = ""
    bits: int = 0


class Words(NamedTuple):
    """What columns of numbers stand for."""

    splits: tuple[str, ...] = ("",)
    labels: tuple[str, ...] = ("",)
    """In alphabetical order."""
    traits: tuple[Traits, ...] = (Traits(),)


class Entry(NamedTuple):
    """One image: where it is, and what reading it told."""

    place: Place
    facts: Facts


class Rows(Sequence[Entry]):
    """Images, each a row.

    Args:
        words: What splits, labels and traits are called.
        names: All files' names in UTF-8, each closed by a 0; uint8.
        columns: By the names in `PLACES` and `FACTS`.
        chosen: Which rows of these; None: all.
        prefix: Stands before every file's name that is not absolute.
    """

    def __init__(
        self, words: Words, names: np.ndarray, columns: Columns, chosen: np.ndarray | None = None, prefix: str = ""
    ):
        self.words, self.names, self.columns, self.chosen, self.prefix = words, names, columns, chosen, prefix
        self.source: tuple[Callable[..., Rows], Path, str] | None = None
        """What maps the columns again, from which file, and its checksum."""
        self.remembered: dict[str, str] = {}
        """What takes long to compute of all of them, by name."""

    def __len__(self) -> int:
        return len(self.columns["end"] if self.chosen is None else self.chosen)

    @overload
    def __getitem__(self, position: int) -> Entry: ...
    @overload
    def __getitem__(self, position: slice) -> "Rows": ...
    def __getitem__(self, position: int | slice) -> "Entry | Rows":
        if isinstance(position, slice):
            return self.take(np.arange(len(self))[position])
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        row = position % len(self) if self.chosen is None else int(self.chosen[position])
        numbers = {name: self.columns[name][row] for name in (*PLACES, *FACTS)}
        begin = int(self.columns["end"][row - 1]) + 1 if row else 0
        name = self.names[begin : int(numbers["end"])].tobytes().decode("utf-8", "surrogatepass")
        traits = self.words.traits[numbers["traits"]]._asdict()
        where = (int(numbers[part]) for part in ("bytes", "mtime", "offset", "length"))
        place = Place(
            name if os.path.isabs(name) else self.prefix + name,
            self.words.splits[numbers["split"]],
            self.words.labels[numbers["label"]],
            *where,
        )
        sha, shown = _hex(numbers["sha"]), _hex(numbers["shown"])
        return Entry(place, Facts(sha, int(numbers["width"]), int(numbers["height"]), shown=shown, **traits))

    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))

    def __reduce__(self) -> Any:
        """A process that is started anew maps the file; the columns themselves do not travel."""
        if self.source is None:
            return Rows, (self.words, self.names, dict(self.columns), self.chosen, self.prefix)
        again, *file = self.source
        return again, (*file, self.chosen, self.prefix)

    def column(self, name: str) -> np.ndarray:
        """One column, a row an image."""
        values = self.columns[name]
        return values if self.chosen is None else values[self.chosen]

    def take(self, positions: np.ndarray) -> "Rows":
        """The rows at these positions, in this order."""
        chosen = positions if self.chosen is None else self.chosen[positions]
        rows = Rows(self.words, self.names, self.columns, chosen, self.prefix)
        rows.source = self.source
        return rows

    def below(self, folder: Path) -> "Rows":
        """The same rows, at absolute places."""
        rows = self.take(np.arange(len(self)))
        rows.prefix = f"{folder}/"
        return rows

    def labels(self) -> Iterator[str]:
        """The names of the classes, a row an image."""
        return (self.words.labels[number] for number in self.column("label"))

    def traits(self) -> list[tuple[Traits, int]]:
        """Which traits there are, and of how many images."""
        counts = np.bincount(self.column("traits"), minlength=len(self.words.traits))
        return [(traits, int(count)) for traits, count in zip(self.words.traits, counts, strict=True) if count]

    def pixels(self) -> Iterator[str]:
        """`Facts.pixels` of every image."""
        for first in range(0, len(self), 4096):
            part = self[first : first + 4096]
            shas = part.column("sha").tobytes().hex()
            for row, traits in enumerate(part.column("traits").tolist()):
                yield Facts(shas[64 * row : 64 * row + 64], bits=self.words.traits[traits].bits).pixels

    @cached_property
    def same(self) -> np.ndarray:
        """Numbers of groups that show the same pixels, int64 [N], in the order in which groups come first."""
        sha, shown = self.column("sha"), self.column("shown")
        seen = shown.any(1)
        beginning = np.where(seen, _first_8(shown), _first_8(sha))
        order = np.argsort(beginning, kind="stable")
        equal = np.flatnonzero(beginning[order[1:]] == beginning[order[:-1]])
        some = np.unique(order[np.concatenate([equal, equal + 1])])  # all others are groups by themselves
        names = np.array(sha[some])
        decoded = np.take(seen, some)
        names[decoded, :16], names[decoded, 16:] = shown[some][decoded], 0
        _, first, name_of = np.unique(names.view("V32").ravel(), return_index=True, return_inverse=True)
        begins = np.arange(len(self))
        begins[some] = some[first][name_of.ravel()]
        number = np.cumsum(begins == np.arange(len(self))) - 1
        return number[begins]

    def found_in(self, known: "Rows") -> np.ndarray:
        """Where the same places are among other sorted rows: their positions there, -1 for those that are not."""
        positions = np.full(len(self), -1, np.int64)
        of_known = known.runs()
        for key, run in self.runs().items():
            other = of_known.get(key, slice(0, 0))
            if self._places_in(run) == known._places_in(other):
                positions[run] = np.arange(other.start, other.stop)
            elif other.stop:
                where = {known[i].place: i for i in range(other.start, other.stop)}
                positions[run] = [where.get(self[i].place, -1) for i in range(run.start, run.stop)]
        return positions

    def _places_in(self, run: slice) -> tuple[bytes, ...]:
        """What places of one split and class are told apart by."""
        ends = self.columns["end"]
        begin = ends[run.start - 1] + 1 if run.start else 0
        names = self.names[begin : ends[run.stop - 1] if run.stop else 0].tobytes()
        return names, *(self.columns[name][run].tobytes() for name in ("bytes", "mtime", "offset", "length"))

    def runs(self) -> dict[tuple[str, str], slice]:
        """Where the images of each split and class are, in sorted rows."""
        split, label = self.column("split"), self.column("label")
        edges = np.flatnonzero((np.diff(split) != 0) | (np.diff(label) != 0)) + 1
        bounds = [0, *edges.tolist(), len(self)]
        return {
            (self.words.splits[split[begin]], self.words.labels[label[begin]]): slice(begin, end)
            for begin, end in pairwise(bounds)
            if end > begin
        }


class Joined(Sequence[Entry]):
    """Rows after others.

    Args:
        first: Some.
        second: Others.
    """

    def __init__(self, first: Rows, second: Rows):
        self.parts = first, second

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(len(self))[position]]
        first, second = self.parts
        if position < 0:
            position += len(self)
        return first[position] if position < len(first) else second[position - len(first)]

    def column(self, name: str) -> np.ndarray:
        """One column, a row an image."""
        return np.concatenate([part.column(name) for part in self.parts])

    def pixels(self) -> Iterator[str]:
        """`Facts.pixels` of every image."""
        for part in self.parts:
            yield from part.pixels()


def _first_8(names: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(names[:, :8]).view("<u8").ravel()


def _hex(raw: np.ndarray) -> str:
    return raw.tobytes().hex() if raw.any() else ""
