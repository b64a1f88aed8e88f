"""Photos decoded once: shrunk uint8 pixels, in a memory-mapped file or in memory, or decoded anew each time.

All three show the same pixels. A photo is kept with a margin for crops: its shorter side is 1.15 times what a view
shows, its longer side at most twice that. What is only ever seen whole is kept as the square that is seen.
"""

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
from tutelage.errors import UserError

MARGIN = 1.15
LONGEST = 2.0
"""The longer side of a kept photo over its shorter one, at most; the middle is kept."""
VERSION = 2
"""Of the kept pixels: raise it when decoding changes."""
Keep = Literal["file", "memory", "none"]


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
    whole: bool
    """Only ever seen whole: the square in the middle."""

    def __call__(self, position: int) -> Tensor:
        return self.pixels(self.entries[position])

    def pixels(self, entry: Entry) -> Tensor:
        """uint8 [3, height, width], shrunk; never enlarged.

        Raises:
            UserError: the file has changed since it was read first.
        """
        short = self.side if self.whole else math.ceil(MARGIN * self.side)
        try:
            image = reading.decoded(reading.content(self.root, entry.place), short)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{entry.place.file} could be read before, and cannot now: {error}", "tutelage data check reads it anew"
            ) from None
        pixels = _tensor(np.asarray(image))
        longest = 1.0 if self.whole else LONGEST
        top, left = (max(0, side - round(min(image.size) * longest)) // 2 for side in pixels.shape[1:])
        pixels = pixels[:, top : image.height - top, left : image.width - left]
        height, width = pixels.shape[1:]
        shrink = short / min(height, width)
        if shrink < 1:
            size = [short, short] if self.whole else [max(short, round(side * shrink)) for side in (height, width)]
            # In a quarter of Pillow's time.
            pixels = F.resize(pixels, size, F.InterpolationMode.BICUBIC, antialias=True)
        return pixels

    @property
    def digest(self) -> str:
        """Of everything the pixels depend on."""
        shown = [entry.facts.pixels for entry in self.entries]
        return files.digest([VERSION, __version__, torch.__version__, self.side, self.whole, shown])


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
