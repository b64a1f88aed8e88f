"""Keeps decoded photos: shrunk uint8 pixels, in a memory-mapped file or in memory, or decoded anew each time.

All three show the same pixels. For training views a photo is kept with a margin for crops: its shorter side is 1.15
times what a view shows, its longer side at most twice that. For evaluation it is what a device sees of it
(`edge.pixels`).
"""

import io
import logging
import math
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import __version__
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from tutelage import files, progress, sealed
from tutelage.data import Keep, reading, room
from tutelage.data.rows import Entry, Joined, Rows
from tutelage.edge.card import PHOTOS, Card
from tutelage.edge.pixels import fitted, upright
from tutelage.errors import Damaged, UserError

log = logging.getLogger(__name__)

MARGIN = 1.15
LONGEST = 2.0
"""The longer side of a kept photo over its shorter one, at most; the middle is kept."""
VERSIONS = {"training": 2, "evaluation": 3}
"""The versions of the kept pixels: raise one when its decoding changes."""
Purpose = Literal["training", "evaluation"]


class Photos(ABC):
    """Decoded photos by position."""

    @abstractmethod
    def __call__(self, position: int) -> Tensor:
        """uint8 [3, height, width]."""


@dataclass(frozen=True)
class Decoder(Photos):
    """Photos decoded whenever they are asked for."""

    root: Path
    entries: Rows | Joined
    side: int
    """The side of the views, in pixels."""
    purpose: Purpose
    """Training views, or evaluation: the square that a device sees."""

    def __call__(self, position: int) -> Tensor:
        return self.pixels(self.entries[position])

    def file(self, position: int) -> bytes:
        """A photo's file as it is."""
        return reading.content(self.root, self.entries[position].place)

    def pixels(self, entry: Entry) -> Tensor:
        """uint8 [3, height, width].

        Raises:
            UserError: the file has changed since it was read first.
        """
        try:
            data = reading.content(self.root, entry.place)
            if reading.named(data, entry.facts) != entry.facts.sha:
                raise ValueError("it is another picture now")
            if self.purpose == "training":
                return self._with_margin(data)
            return _tensor(fitted(upright(io.BytesIO(data), 3), Card((), (3, self.side, self.side), PHOTOS)))
        except Exception as error:  # a damaged file makes decoders raise anything
            if entry.facts.glanced:
                raise UserError(
                    f"{entry.place.file}, of which the header alone was read, cannot be shown: {error}",
                    "remove it, or set data.look = whole and data.on_bad = skip; tutelage data check names all such",
                ) from None
            raise UserError(
                f"{entry.place.file} could be read before, and cannot now: {error}", "tutelage data check reads it anew"
            ) from None

    def _with_margin(self, data: bytes) -> Tensor:
        """Shrunk; never enlarged."""
        short = math.ceil(MARGIN * self.side)
        image = reading.decoded(data, short)
        pixels = _tensor(np.asarray(image))
        top, left = (max(0, side - round(min(image.size) * LONGEST)) // 2 for side in pixels.shape[1:])
        pixels = pixels[:, top : image.height - top, left : image.width - left]
        height, width = pixels.shape[1:]
        shrink = short / min(height, width)
        if shrink < 1:
            size = [max(short, round(side * shrink)) for side in (height, width)]
            # In a quarter of Pillow's time.
            pixels = F.resize(pixels, size, F.InterpolationMode.BICUBIC, antialias=True)
        return pixels

    @property
    def bytes_kept(self) -> int:
        """About what they take when they are kept: JPEGs that are decoded smaller may differ by a row or a column."""
        if self.purpose == "evaluation":
            return 3 * self.side**2 * len(self.entries)
        sides = np.stack([self.entries.column(name) for name in ("width", "height")]).astype(np.float64)
        short, long = sides.min(0), sides.max(0)
        long = np.minimum(long, np.round(short * LONGEST))
        shrink = np.minimum(1, math.ceil(MARGIN * self.side) / np.maximum(short, 1))
        return int((3 * np.round(short * shrink) * np.round(long * shrink)).sum())

    @property
    def digest(self) -> str:
        """A digest of everything the pixels depend on."""
        whole = self.purpose == "evaluation"
        versions = VERSIONS[self.purpose], __version__, torch.__version__
        return files.digest([*versions, self.side, whole, self.entries.pixels()])


@dataclass(frozen=True)
class Kept(Photos):
    """Photos in one flat file, or in one array."""

    pixels: Path | np.ndarray
    """All bytes, one photo after the other."""
    shapes: np.ndarray
    """(height, width) of each photo."""
    starts: np.ndarray
    """Where each photo begins."""
    sums: np.ndarray | None = None
    """CRC-32 of each photo's bytes, compared when a process first reads it; None: not known, or only in memory."""
    decoder: Decoder | None = None
    """Decodes a damaged photo again."""
    seen: bytearray = field(default_factory=bytearray, compare=False)
    """Photos whose sums were compared: 1."""

    def __call__(self, position: int) -> Tensor:
        height, width = self.shapes[position].tolist()
        start = int(self.starts[position])
        flat = self.pixels if isinstance(self.pixels, np.ndarray) else _mapped(self.pixels)
        own = flat[start : start + height * width * 3]
        if self.sums is not None and not self.seen[position]:
            if zlib.crc32(own.data) != self.sums[position]:
                own = self._mended(position, start)
            self.seen[position] = 1
        return _tensor(own.reshape(height, width, 3))

    def _mended(self, position: int, start: int) -> np.ndarray:
        """The bytes of a damaged photo, decoded again, and written again where they were."""
        assert self.decoder is not None
        assert isinstance(self.pixels, Path)
        log.warning("%s is damaged: photo %d is not as it was written; it is decoded again", self.pixels, position)
        own = _flat(self.decoder(position))
        with suppress(OSError), self.pixels.open("r+b") as file:
            file.seek(start)
            file.write(own.tobytes())
        return own


def kept(decoder: Decoder, keep: Keep, what: str) -> Photos:
    """The decoder's photos, decoded once, now, where they are to be kept and are not there yet.

    Args:
        decoder: The photos.
        keep: "file": in the cache folder, for later starts too; "memory"; "none": the decoder itself; "auto": in a file
            that takes at most `room.SHARE` of the free disk.
        what: For the progress bar.

    Raises:
        UserError: the disk has no room for the file; a photo cannot be decoded.
    """
    if keep == "none":
        return decoder
    if keep == "memory":
        parts = list(_decode(decoder, what))
        return _laid_out(np.concatenate([part.ravel() for part in parts]), [part.shape[:2] for part in parts])
    folder = files.cache_folder() / f"pixels-{decoder.digest[:16]}"
    files.sweep(folder.parent, ".pixels-*")
    if folder.exists():
        try:
            return _opened(folder, decoder)
        except Damaged as damaged:
            log.warning("%s; the photos are decoded again", damaged.message)
            with suppress(FileNotFoundError):
                files.remove_folder(folder)
    if not room.is_there(decoder.bytes_kept, keep, what):
        return decoder
    _write(folder, decoder, what)
    return _opened(folder, decoder)


def _opened(folder: Path, decoder: Decoder) -> Photos:
    """The photos of a folder, whose bytes are compared with their checksums when they are read.

    Raises:
        Damaged: shapes.npy is not as it was written, or pixels.bin is shorter or longer.
    """
    shapes, pixels = folder / "shapes.npy", folder / "pixels.bin"
    sealed.check(shapes, _what(folder), required=False)
    try:
        rows = np.load(shapes, allow_pickle=False)
        photos = _laid_out(pixels, rows[:, :2])
        photos = replace(
            photos, decoder=decoder, sums=rows[:, 2] if rows.shape[1] > 2 else None, seen=bytearray(len(rows))
        )
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise Damaged.of(shapes, f"it cannot be read ({error})") from None
    size = int(photos.shapes.prod(1).sum()) * 3
    if not pixels.is_file() or pixels.stat().st_size != size:
        raise Damaged.of(pixels, f"it does not have the {size:,} bytes that its photos take")
    return photos


def _what(folder: Path) -> str:
    return f"{folder.name}/shapes.npy"


def _write(folder: Path, decoder: Decoder, what: str) -> None:
    try:
        with files.appearing_folder(folder) as beside:
            shapes = []
            with (beside / "pixels.bin").open("wb") as file:
                for part in _decode(decoder, what):
                    file.write(part.tobytes())
                    shapes.append((*part.shape[:2], zlib.crc32(part.data)))
            buffer = io.BytesIO()
            np.save(buffer, np.array(shapes, np.int64), allow_pickle=False)
            sealed.write_bytes(beside / "shapes.npy", buffer.getvalue(), _what(folder))
    except OSError as error:
        if folder.exists():  # another process was quicker, with the same bytes
            return
        raise UserError(
            f"cannot keep decoded photos in {folder}: {error.strerror}",
            "let TUTELAGE_CACHE name a folder with space, or set data.keep = none",
        ) from None
    taken = progress.size((folder / "pixels.bin").stat().st_size)
    progress.say(f"{what}: {len(shapes):,} photos kept in {folder} ({taken})")


def _decode(decoder: Decoder, what: str) -> Iterator[np.ndarray]:
    """Every photo's pixels [height, width, 3], in order, decoded on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.advancing(what, len(decoder.entries)) as advance:
        for first in range(0, len(decoder.entries), 1024):  # so that not all of them wait in memory
            for part in pool.map(decoder.pixels, decoder.entries[first : first + 1024]):
                yield _flat(part).reshape(*part.shape[1:], 3)
                advance(1)


def _laid_out(pixels: Path | np.ndarray, shapes: Iterable[tuple[int, int]] | np.ndarray) -> Kept:
    sides = np.array(list(shapes), np.int64).reshape(-1, 2)
    ends = np.cumsum(sides.prod(1) * 3)
    return Kept(pixels, sides, np.concatenate([[0], ends[:-1]]).astype(np.int64))


def _mapped(path: Path) -> np.ndarray:
    return _mapped_as(path, path.stat().st_ino)


@lru_cache(maxsize=16)
def _mapped_as(path: Path, inode: int) -> np.ndarray:
    """By inode: a folder that was removed and written again is another file of the same name."""
    return np.memmap(path, np.uint8, mode="r")


def _flat(photo: Tensor) -> np.ndarray:
    """A photo's bytes as they are kept: row by row, three a pixel."""
    return photo.permute(1, 2, 0).contiguous().numpy().ravel()


def _tensor(pixels: np.ndarray) -> Tensor:
    """Channels first, still stored channels last."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
