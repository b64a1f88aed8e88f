"""Keeps `Rows` in one sealed file, which processes map: each page is in memory once for all of them.

A line of JSON (version, checksum, length of what follows), a line of JSON (words, arrays and where they begin), then
the arrays. A column of which all values are the same is one value. Imports no torch.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from tutelage import files
from tutelage.data.rows import Rows, Traits, Words
from tutelage.errors import Damaged

VERSION = 4
"""The version of the file: raise it when a column, `Facts` or what they mean changes."""
_ALIGNED = 64


def write(file: Path, rows: Rows, remembered: dict[str, str]) -> None:
    """All columns and a checksum over them and the file's name.

    Args:
        file: The file.
        rows: All of them.
        remembered: What takes long to compute of them.

    Raises:
        OSError: it cannot be written.
    """
    arrays: dict[str, np.ndarray] = {"names": rows.names}
    for name, column in rows.columns.items():
        same_ends = len(column) > 1 and np.array_equal(column[0], column[-1])  # to compare all takes memory
        constant = same_ends and bool((column == column[0]).all())
        arrays[name] = np.ascontiguousarray(column[:1] if constant else column)
    about = {"words": rows.words, "remembered": remembered, "rows": len(rows), "arrays": {}}
    begin = 0
    for name, array in arrays.items():
        about["arrays"][name] = [array.dtype.str, list(array.shape), begin]
        begin += -(-array.nbytes // _ALIGNED) * _ALIGNED
    text = json.dumps(about).encode()
    text += b" " * (-(len(text) + 1) % _ALIGNED) + b"\n"
    parts = [text, *(part for array in arrays.values() for part in (array.data, bytes(-array.nbytes % _ALIGNED)))]
    seal = _seal(file, len(text), iter(parts))
    head = json.dumps({"version": VERSION, "sha256": seal, "about": len(text)}).encode()
    with files.appearing(file) as beside, beside.open("wb") as written:
        written.write(head + b" " * (-(len(head) + 1) % _ALIGNED) + b"\n")
        for part in parts:
            written.write(part)


def read(file: Path) -> Rows | None:
    """The rows of a file of `write`, mapped; None: there is none, or one of another version.

    Raises:
        Damaged: its checksum does not fit.
    """
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        line = opened.readline(1 << 10)
        try:
            head = json.loads(line)
            if head["version"] != VERSION:
                return None
            # Read, not mapped: pages that are looked at once do not become this process's memory.
            if _seal(file, head["about"], iter(lambda: opened.read(1 << 20), b"")) != head["sha256"]:
                raise ValueError
            return _mapped(file, head["sha256"])
        except (ValueError, TypeError, KeyError, IndexError):
            raise Damaged.of(file, "its checksum does not fit") from None


def again(file: Path, sha256: str, chosen: np.ndarray | None, prefix: str) -> Rows:
    """As another process had it."""
    whole = _mapped(file, sha256)
    rows = Rows(whole.words, whole.names, whole.columns, chosen, prefix)
    rows.source = whole.source
    return rows


@lru_cache(maxsize=8)
def _mapped(file: Path, sha256: str) -> Rows:
    """A file whose checksum was compared; its pages are read when they are needed, and shared by all processes."""
    with file.open("rb") as opened:
        line = opened.readline()
        head = json.loads(line)
        if head["sha256"] != sha256:
            raise Damaged.of(file, "another process has written it anew", "start again")
        about = json.loads(opened.read(head["about"]))
        opened.seek(0)  # Windows replaces no file that is mapped
        content = opened.read() if os.name == "nt" else mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        whole = np.frombuffer(content, np.uint8)
    arrays = {}
    for name, (kind, shape, begin) in about["arrays"].items():
        begin += len(line) + head["about"]
        count = int(np.prod(shape))
        raw = whole[begin : begin + count * np.dtype(kind).itemsize]
        column = raw.view(kind).reshape(shape)
        constant = name != "names" and len(column) == 1
        arrays[name] = np.broadcast_to(column, (about["rows"], *shape[1:])) if constant else column
    splits, labels, traits = about["words"]
    words = Words(tuple(splits), tuple(labels), tuple(Traits(*values) for values in traits))
    rows = Rows(words, arrays.pop("names"), arrays)
    rows.source, rows.remembered = (again, file, sha256), about["remembered"]
    return rows


def _seal(file: Path, about: int, parts: Iterator[bytes | memoryview]) -> str:
    digest = hashlib.sha256(f"{about}\n".encode())
    for part in parts:
        digest.update(part)
    digest.update(file.name.encode())
    return digest.hexdigest()
