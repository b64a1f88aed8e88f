"""Finds the images of a path: in folders, tables of paths, tar shards and saved data sets. Imports no torch."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tutelage.data import addresses, folders, huggingface, splitnames, tables, tars
from tutelage.data.gathering import Gathered
from tutelage.data.place import Aside, Place, few, placed
from tutelage.data.rows import Rows
from tutelage.data.splitnames import Splits
from tutelage.errors import UserError
from tutelage.picture import ENDINGS


class Listing(NamedTuple):
    """All places of a path."""

    root: Path
    rows: Rows
    """In the order of split, class, file, offset; without facts."""
    folders: set[str]
    """Where the files are, relative to the root."""
    left_out: Counter[str]
    """How many files of which ending are no images."""
    notes: list[str]
    """What is not used, or was understood in a way that the user may not expect: a sentence each."""

    @property
    def places(self) -> list[Place]:
        """The places of all rows."""
        return [entry.place for entry in self.rows]


def listing(path: Path, *, labelled: bool = True, splits: str = "") -> Listing:
    """The images of a folder, a table or a tar file.

    Args:
        path: What the user named.
        labelled: False: any images anywhere below it, without labels.
        splits: What --data.splits says.

    Raises:
        UserError: there is no such path, or it is not laid out in a known way.
    """
    if not path.exists():
        raise UserError(f"there is no {path}", addresses.EXPECTED)
    aside, split_names, found = Aside(), splitnames.parsed(splits), Gathered()
    if path.is_dir() and huggingface.is_saved(path):
        root = path
        found.add(_of_saved(path, aside.endings, labelled, split_names))
    elif path.is_dir():
        root = path
        of_labels = folders.of_folder(path, split_names, aside)
        found.add(of_labels if labelled else folders.images(path, path, "", "", aside))
    elif path.suffix.lower() == ".tar":
        root = path.parent
        found.add(tars.of_tar(path.parent, path, tars.split_of_shard(path), aside))
    elif path.suffix.lower() in tables.TABLES:
        root = path.parent
        found.add(tables.of_table(path, split_names, aside))
    else:
        raise UserError(
            f"{path} is neither a folder nor one of {', '.join((*tables.TABLES, '.tar'))}",
            "give one of these; spreadsheets save CSV files, archives are unpacked first",
        )
    counts = found.counts()
    notes = [*aside.sentences(), *_of_one_word(counts)]
    if not counts:
        raise UserError(
            "\nnote: ".join((f"there are no images in {path}", *notes)), f"known endings: {' '.join(sorted(ENDINGS))}"
        )
    return Listing(root, found.rows(), found.folders, aside.endings, notes)


def _of_one_word(counts: Counter[str]) -> list[str]:
    """A sentence where classes differ in case, spaces or the way accents are stored alone."""
    words: dict[str, list[str]] = {}
    for label in sorted(counts):
        folded = unicodedata.normalize("NFKC", label).casefold()
        words.setdefault("".join(folded.split()), []).append(label)
    same = [labels for labels in words.values() if len(labels) > 1]
    if not same:
        return []
    shown = few(" / ".join(f"{label!r} {counts[label]:,}" for label in labels) for labels in same)
    return [f"classes that differ in case, spaces or accents alone: {shown}; give them one name if they are one class"]


def _of_saved(root: Path, left_out: Counter[str], labelled: bool, splits: Splits) -> Iterator[Place]:
    """What `datasets` has saved; of splits that are none of ours, a hub's data sets have some, the rows are counted."""
    of_file: dict[Path, Place] = {}
    for row in huggingface.rows(root, left_out, labelled=labelled):
        split = splits.of(row.split)
        if row.split and not split and labelled and not splits.none:
            left_out[f'rows of the split "{row.split}"'] += 1
            continue
        if row.file not in of_file:
            of_file[row.file] = placed(root, row.file.relative_to(root).as_posix(), split, "")
        yield of_file[row.file]._replace(label=row.label, offset=row.offset, length=row.length)
