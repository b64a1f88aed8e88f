"""Puts the places of a path into rows, sorted by split, class, file and offset, whichever way they were found.

Imports no torch.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tutelage.data.facts import empty
from tutelage.data.place import Place
from tutelage.data.rows import FACTS, PLACES, Rows, Words

NUMBERS = ("bytes", "mtime", "offset", "length")
"""The numbers of a place."""


class Files(NamedTuple):
    """Whole files of one class, found together."""

    split: str
    label: str
    names: list[str]
    """As in `Place.file`."""
    bytes: list[int]
    mtimes: list[int]


class _Group:
    """The places of one split and class: those that came last as they are, those before them packed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.numbers = {name: array("q") for name in NUMBERS}
        self.packed: list[tuple[bytes, np.ndarray]] = []

    def take(self, files: Files) -> None:
        self.names += files.names
        self.numbers["bytes"].extend(files.bytes)
        self.numbers["mtime"].extend(files.mtimes)
        for name in ("offset", "length"):
            self.numbers[name].frombytes(bytes(8 * len(files.names)))
        self.pack()

    def pack(self) -> None:
        """Sorts those that are not packed yet; a name takes its bytes and one more."""
        if not self.names:
            return
        names, offsets = self.names, self.numbers["offset"]
        by_offset = any(offsets)
        order = sorted(range(len(names)), key=(lambda i: (names[i], offsets[i])) if by_offset else names.__getitem__)
        text = "".join([f"{names[i]}\0" for i in order]).encode("utf-8", "surrogatepass")
        numbers = np.array([self.numbers[name] for name in NUMBERS], np.int64)[:, order]
        self.packed.append((text, numbers))
        self.names, self.numbers = [], {name: array("q") for name in NUMBERS}

    def whole(self) -> tuple[bytes, np.ndarray]:
        """All names, each closed by a 0, and the numbers [4, N], sorted."""
        self.pack()
        if len(self.packed) > 1:
            packed, self.packed = self.packed, []
            for text, numbers in packed:
                self.names += text.decode("utf-8", "surrogatepass").split("\0")[:-1]
                for name, values in zip(NUMBERS, numbers, strict=True):
                    self.numbers[name].extend(values.tolist())
            self.pack()
        return self.packed[0]


class Gathered:
    """Places as they come."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}
        self.folders: set[str] = set()
        """Where the files are, as in `Place.file`."""

    def add(self, found: Iterable[Place | Files]) -> None:
        """Takes them all."""
        for part in found:
            group = self._groups.setdefault((part.split, part.label), _Group())
            if isinstance(part, Files):
                group.take(part)
                self.folders.update({name.rpartition("/")[0] for name in part.names})
                continue
            group.names.append(part.file.replace("\0", "\ufffd"))  # a table may say anything; no file has such a name
            for name in NUMBERS:
                group.numbers[name].append(getattr(part, name))
            self.folders.add(part.file.rpartition("/")[0])

    def counts(self) -> Counter[str]:
        """Images by class."""
        counts: Counter[str] = Counter()
        for (_, label), group in self._groups.items():
            counts[label] += len(group.names) + sum(numbers.shape[1] for _, numbers in group.packed)
        return counts

    def rows(self) -> Rows:
        """All of them, without facts."""
        keys = sorted(self._groups)
        splits, labels = (tuple(sorted({key[part] for key in keys} | {""})) for part in (0, 1))
        text, numbers, counts = bytearray(), {name: array("q") for name in NUMBERS}, []
        for key in keys:  # a group goes once it is copied: a million names are not in memory twice
            of_group, values = self._groups.pop(key).whole()
            text += of_group
            for name, row in zip(NUMBERS, values, strict=True):
                numbers[name].frombytes(row.tobytes())
            counts.append(values.shape[1])
        names = np.frombuffer(text, np.uint8)
        columns = {name: np.frombuffer(column, np.int64) for name, column in numbers.items()}
        columns["end"] = np.flatnonzero(names == 0)
        for name, words, part in (("split", splits, 0), ("label", labels, 1)):
            number = {word: i for i, word in enumerate(words)}
            columns[name] = np.repeat(np.array([number[key[part]] for key in keys], PLACES[name][0]), counts)
        return Rows(
            Words(splits, labels), names, columns | {name: empty(spec, sum(counts)) for name, spec in FACTS.items()}
        )
