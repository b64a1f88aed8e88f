"""Keeps decoded photos: shrunk uint8 pixels, in a memory-mapped file or in memory, or decoded anew each time.

All three show the same pixels. For training views a photo is kept with a margin for crops: its shorter side is 1.15
times what a view shows, its longer side at most twice that. For evaluation it is what a device sees of it
(`edge.pixels`).
"""

import io
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import __version__
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from tutelage import files, progress
from tutelage.data import reading
from tutelage.data.index import Entry, cache_folder
from tutelage.edge.card import PHOTOS, Card
from tutelage.edge.pixels import fitted, upright
from tutelage.errors import UserError

MARGIN = 1.15
LONGEST = 2.0
"""The longer side of a kept photo over its shorter one, at most; the middle is kept."""
VERSIONS = {"training": 2, "evaluation": 3}
"""Of the kept pixels: raise one when its decoding changes."""
Keep = Literal["file", "memory", "none"]
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
    entries: tuple[Entry, ...]
    side: int
    """Of the views, in pixels."""
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
            if self.purpose == "training":
                return self._with_margin(data)
            return _tensor(fitted(upright(io.BytesIO(data), 3), Card((), (3, self.side, self.side), PHOTOS)))
        except Exception as error:  # a damaged file makes decoders raise anything
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
    def digest(self) -> str:
        """Of everything the pixels depend on."""
        shown = [entry.facts.pixels for entry in self.entries]
        whole = self.purpose == "evaluation"
        return files.digest([VERSIONS[self.purpose], __version__, torch.__version__, self.side, whole, shown])


@dataclass(frozen=True)
class Kept(Photos):
    """Photos in one flat file, or in one array."""

    pixels: Path | np.ndarray
    """All bytes, one photo after the other."""
    shapes: np.ndarray
    """(height, width) of each photo."""
    starts: np.ndarray
    """Where each photo begins."""

    def __call__(self, position: int) -> Tensor:
        height, width = self.shapes[position].tolist()
        start = int(self.starts[position])
        flat = self.pixels if isinstance(self.pixels, np.ndarray) else _mapped(self.pixels)
        return _tensor(flat[start : start + height * width * 3].reshape(height, width, 3))


def kept(decoder: Decoder, keep: Keep, what: str) -> Photos:
    """The decoder's photos, decoded once, now, where they are to be kept and are not there yet.

    Args:
        decoder: The photos.
        keep: "file": in the cache folder, for later starts too; "memory"; "none": the decoder itself.
        what: For the progress bar.
    """
    if keep == "none":
        return decoder
    if keep == "memory":
        parts = list(_decode(decoder, what))
        return _laid_out(np.concatenate([part.ravel() for part in parts]), [part.shape[:2] for part in parts])
    folder = cache_folder() / f"pixels-{decoder.digest[:16]}"
    if not folder.exists():
        _write(folder, decoder, what)
    return _laid_out(folder / "pixels.bin", np.load(folder / "shapes.npy", allow_pickle=False))


def _write(folder: Path, decoder: Decoder, what: str) -> None:
    try:
        with files.appearing_folder(folder) as beside:
            shapes = []
            with (beside / "pixels.bin").open("wb") as file:
                for part in _decode(decoder, what):
                    file.write(part.tobytes())
                    shapes.append(part.shape[:2])
            np.save(beside / "shapes.npy", np.array(shapes), allow_pickle=False)
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
                yield part.permute(1, 2, 0).contiguous().numpy()
                advance(1)


def _laid_out(pixels: Path | np.ndarray, shapes: Iterable[tuple[int, int]] | np.ndarray) -> Kept:
    sides = np.array(list(shapes), np.int64).reshape(-1, 2)
    ends = np.cumsum(sides.prod(1) * 3)
    return Kept(pixels, sides, np.concatenate([[0], ends[:-1]]).astype(np.int64))


@lru_cache(maxsize=16)
def _mapped(path: Path) -> np.ndarray:
    return np.memmap(path, np.uint8, mode="r")


def _tensor(pixels: np.ndarray) -> Tensor:
    """Channels first, still stored channels last."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
