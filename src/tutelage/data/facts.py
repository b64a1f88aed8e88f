"""Fills the columns of facts, row by row as files are read. Imports no torch."""

from collections.abc import Iterable

import numpy as np

from tutelage.data.reading import Facts
from tutelage.data.rows import FACTS, PLACES, Columns, Entry, Rows, Traits, Words


class FactsColumns:
    """Facts that are filled in row by row."""

    def __init__(self, rows: int):
        self.columns = {name: empty(spec, rows) for name, spec in FACTS.items()}
        self._traits: dict[Traits, int] = {Traits(): 0}

    def put(self, row: int, facts: Facts) -> None:
        """What reading one file told."""
        traits = Traits(*(getattr(facts, name) for name in Traits._fields))
        for name, value in (("sha", facts.sha), ("shown", facts.shown)):
            raw = np.frombuffer(bytes.fromhex(value), np.uint8)
            self.columns[name][row, : len(raw)], self.columns[name][row, len(raw) :] = raw, 0
        self.columns["width"][row], self.columns["height"][row] = facts.width, facts.height
        self.columns["traits"][row] = self._traits.setdefault(traits, len(self._traits))

    def copy(self, rows: np.ndarray, known: Rows, positions: np.ndarray) -> None:
        """What is known of other rows already."""
        number = np.array(
            [self._traits.setdefault(traits, len(self._traits)) for traits in known.words.traits], np.int32
        )
        for name in FACTS:
            values = known.column(name)[positions]
            self.columns[name][rows] = number[values] if name == "traits" else values

    def beside(self, words: Words, names: np.ndarray, places: Columns) -> Rows:
        """These facts of these places."""
        return Rows(words._replace(traits=tuple(self._traits)), names, {**places, **self.columns})


def of(entries: Iterable[Entry]) -> Rows:
    """Rows in the order of these entries."""
    entries = list(entries)
    places = [entry.place for entry in entries]
    splits, labels = (sorted({place[part] for place in places} or {""}) for part in (1, 2))
    split_of, label_of = ({word: number for number, word in enumerate(words)} for words in (splits, labels))
    encoded = [place.file.encode("utf-8", "surrogatepass") for place in places]
    columns = {
        "split": [split_of[place.split] for place in places],
        "label": [label_of[place.label] for place in places],
        "end": np.cumsum([len(name) + 1 for name in encoded]) - 1,
    } | {name: [getattr(place, name) for place in places] for name in ("bytes", "mtime", "offset", "length")}
    facts = FactsColumns(len(entries))
    for row, entry in enumerate(entries):
        facts.put(row, entry.facts)
    typed = {name: np.array(columns[name], spec[0]) for name, spec in PLACES.items()}
    names = np.frombuffer(b"".join(name + b"\0" for name in encoded), np.uint8)
    return facts.beside(Words(tuple(splits), tuple(labels)), names, typed)


def empty(spec: tuple[str, int], rows: int) -> np.ndarray:
    """A column of zeros."""
    kind, width = spec
    return np.zeros((rows, width) if width > 1 else rows, kind)
