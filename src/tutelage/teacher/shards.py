"""Writes and reads one file of a teacher's answers, compared with its checksum when it is first mapped."""

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tutelage import files
from tutelage.errors import UserError


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
        if path.exists():
            return
        # The checksum first: a shard that is there always has one.
        with files.appearing(_checksum_path(path)) as beside:
            beside.write_text(hashlib.sha256(buffer.getvalue()).hexdigest() + "\n")
        with files.appearing(path) as beside:
            beside.write_bytes(buffer.getvalue())


def load(path: Path) -> np.ndarray:
    """A memory-mapped shard.

    Raises:
        UserError: its checksum does not fit, or is missing.
    """
    checksum = _checksum_path(path)
    written = checksum.read_bytes() if checksum.exists() else b""
    if written != f"{files.file_digest(path)}\n".encode():
        raise UserError(
            f"{path} is damaged: its checksum is not the one written beside it",
            "remove that file; it will be filled again",
        )
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))  # a plain array: memmap's own indexing is slow


def _checksum_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
