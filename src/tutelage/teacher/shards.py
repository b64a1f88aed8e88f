"""Writes and reads one file of a teacher's answers, compared with its checksum when it is first mapped."""

import io
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tutelage import files, sealed
from tutelage.errors import Damaged


class Shard(NamedTuple):
    """The rows of one field and view from sample `start` on."""

    field: str
    view: int
    start: int

    @property
    def path(self) -> str:
        """Relative to the cache's folder."""
        return f"view_{self.view:04d}/{self.field}_{self.start:08d}.npy"


def write(folder: Path, shard: Shard, rows: np.ndarray) -> None:
    """Writes a shard into a cache's folder; one that is there already stays.

    Two writers of one shard may differ in the last bit (threads): the first one's pair of files stands.
    """
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    path = folder / shard.path
    with files.locked(folder / "lock", wait=True):
        if not path.exists():
            sealed.write_bytes(path, buffer.getvalue(), _what(path))


@contextmanager
def block(folder: Path, view: int, start: int, *, wait: bool = False) -> Generator[bool]:
    """True while the rows of one view from a sample on are this process's to ask for; False where they are another's.

    Args:
        folder: The cache's.
        view: The view's number.
        start: The block's first sample.
        wait: Wait for the other to finish instead.
    """
    lock = folder / f"view_{view:04d}" / f"{start:08d}.lock"
    with files.locked(lock, wait=wait) as alone:
        try:
            yield alone
        finally:
            if alone:
                with suppress(OSError):  # Windows keeps a file that is open
                    lock.unlink()


def discard(path: Path) -> None:
    """Removes a shard that is damaged, if it still is: another process may have filled it again."""
    with files.locked(path.parent.parent / "lock", wait=True):
        try:
            sealed.check(path, _what(path))
        except Damaged:
            sealed.remove([path])


def load(path: Path) -> np.ndarray:
    """A memory-mapped shard.

    Raises:
        Damaged: its checksum does not fit, or is missing, or is that of another shard.
    """
    try:
        sealed.check(path, _what(path))
    except Damaged as damaged:
        raise Damaged.of(
            path, damaged.reason, "it is asked for again by training, and by tutelage cache fill"
        ) from None
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))  # a plain array: memmap's own indexing is slow


def _what(path: Path) -> str:
    """The cache, whose folder's name says to what it holds answers, and the shard's place in it."""
    return "/".join(path.parts[-3:])
