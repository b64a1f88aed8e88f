"""Writes and reads one file of a teacher's answers, compared with its checksum when it is first mapped."""

import importlib
import io
import logging
import mmap
import os
import threading
import time
import weakref
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage import files, sealed
from tutelage.errors import Damaged

log = logging.getLogger(__name__)

LARGE = 1 << 28
"""Bytes of a view from which on its rows are read ahead."""


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


def discard_damaged(folder: Path, these: Iterable[Shard]) -> None:
    """Looks at each of some shards that is there, and names and removes the damaged ones."""
    for path in (folder / shard.path for shard in these):
        try:
            if path.exists():
                load(path)
        except Damaged as damaged:
            log.warning("%s; the teacher is asked again", damaged.message)
            discard(path)


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
    _allow_many_files()
    loaded: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = np.asarray(loaded)  # a plain array: memmap's own indexing is slow
    if hasattr(os, "posix_fadvise"):
        loaded._mmap.madvise(mmap.MADV_RANDOM)  # else the system reads a hundred rows around each
        opened = os.open(path, os.O_RDONLY)
        _files[id(rows)] = opened, loaded.offset
        weakref.finalize(rows, _forget, id(rows), opened)
    return rows


def _forget(shard: int, opened: int) -> None:
    del _files[shard]
    os.close(opened)


def expect(shards: list[np.ndarray], samples: list[int]) -> None:
    """Begins to read the rows of some samples; nothing where the system cannot be told, or has them in memory anyway.

    Args:
        shards: All of a view, as `load` gave them, in order.
        samples: Positions in the training split.
    """
    if sum(shard.nbytes for shard in shards) < LARGE:
        return
    wanted = []
    for sample in samples:
        number, row = divmod(sample, len(shards[0]))
        if id(shards[number]) in _files:
            opened, begin = _files[id(shards[number])]
            length = shards[number].strides[0]
            wanted.append((opened, begin + row * length, length))
    if _free.acquire(blocking=False):  # else steps are faster than the system takes requests: these are read late
        _beside().submit(_ask_for, wanted)


def _ask_for(wanted: list[tuple[int, int, int]]) -> None:
    """Pauses now and then: a thread that takes the interpreter again at once keeps those out that wait for it."""
    try:
        for number, (opened, begin, length) in enumerate(wanted):
            os.posix_fadvise(opened, begin, length, os.POSIX_FADV_WILLNEED)
            if number % 4 == 3:
                time.sleep(2e-4)
    finally:
        _free.release()


@lru_cache(maxsize=1)
def _beside() -> ThreadPoolExecutor:
    """A thread: to ask for a row takes the system some 30 us, for a batch a fifth of a short step."""
    return ThreadPoolExecutor(1, "rows ahead")


@lru_cache(maxsize=1)
def _allow_many_files() -> None:
    """A mapped shard is two open files, and of a million images a view has 157."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        resource: Any = importlib.import_module("resource")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))


_free = threading.BoundedSemaphore(64)
"""Requests that may wait."""
_files: dict[int, tuple[int, int]] = {}
"""By a shard's array: its open file, and where in it the rows begin."""


def _what(path: Path) -> str:
    """The cache, whose folder's name says to what it holds answers, and the shard's place in it."""
    return "/".join(path.parts[-3:])
