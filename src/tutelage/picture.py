"""Opens pictures alike for training and `predict`: plain files alone, turned upright, 16 bits shown in 8."""

import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Image.init()
FORMATS = [f for f in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000") if f in Image.OPEN]
"""What Pillow may open; formats that start other programs (EPS) are not among them."""
ENDINGS = frozenset(ending for ending, kind in Image.EXTENSION.items() if kind in (*FORMATS, "DIB", "MPO")) | frozenset(
    (".jif", ".jfi")
)
"""The endings of files of these formats, in small letters."""
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
"""Pillow's modes of one channel of more than 8 bits."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the values that a 16-bit picture may hold: sensors of 10 to 14 bits are stored in 16."""
DARK = 16
"""A 16-bit picture in colour that stays below (of 255) holds 12 bits or fewer; Pillow keeps the upper 4."""
LARGEST = 1 << 30
"""Bytes of a picture file, at most; 179 million pixels, Pillow's limit, need less."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation: what makes a picture upright."""
ORIENTATION = 0x0112

# Pillow warns from 89 million pixels, a large panorama, and refuses from 179 million. What it says of damaged metadata
# names no file.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def plain_size(path: Path, *, whole: bool = True) -> int:
    """The bytes of a plain file, which alone is ever opened: to open a FIFO or a device may stall or never end.

    Args:
        path: Links are followed.
        whole: The file is one picture, not many.

    Raises:
        OSError: it is no plain file, too large for a picture, or not there; says which.
    """
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):
        raise OSError(0, f"not a plain file but {_KINDS.get(stat.S_IFMT(about.st_mode), 'something else')}")
    if whole and about.st_size > LARGEST:
        raise OSError(0, f"more than {LARGEST >> 30} GiB: no picture")
    return about.st_size


def shown(image: Image.Image) -> tuple[Image.Image, int]:
    """What a person sees in a picture, upright, 8 bits a channel; and the bits that 16-bit grey was scaled from.

    16-bit grey is scaled by the smallest of `DEPTHS` that holds its values; 0: the picture has 8 bits.

    Args:
        image: As Pillow has opened it, not loaded yet.

    Raises:
        ValueError: floating-point pixels; more than 16 bits; 16-bit colours of which 8 bits would show nothing.
        Exception: whatever Pillow raises for a damaged file.
    """
    tile = str([part[3] for part in getattr(image, "tile", [])])  # how the pixels lie in the file; gone once loaded
    image.load()
    if image.mode == "F":
        raise ValueError("floating-point pixels: their range is not known")
    bits = 0
    turned = _upright(image)
    if image.mode in DEEP:
        scaled = image.format == "PPM" and not (";16" in tile or "65535" in tile)  # by Pillow, as the file says
        bits = 16 if scaled else _depth(image)
        values, full = np.asarray(turned).astype(np.int64), (1 << bits) - 1
        turned = Image.fromarray(((values * 255 + full // 2) // full).astype(np.uint8))
    elif ";16" in tile or "65535" in tile:
        _refuse_lost_colours(image)
    return turned, bits


def _upright(image: Image.Image) -> Image.Image:
    """Pillow's exif_transpose also writes the EXIF data anew, which fails where any entry of it is damaged."""
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _depth(image: Image.Image) -> int:
    extrema: Any = image.getextrema()
    low, high = map(int, extrema)
    if low < 0 or high > 65535:
        raise ValueError(f"{low} to {high} are more than 16 bits")
    return next(bits for bits in DEPTHS if high < 1 << bits)


def _refuse_lost_colours(image: Image.Image) -> None:
    bands: Any = image.getextrema()
    if image.mode in ("RGB", "RGBA") and max(high for _, high in bands[:3]) < DARK:
        raise ValueError("16-bit colours of 12 bits or fewer, which would show black: save it with 8 bits a colour")


def reason(error: Exception) -> str:
    """What an error of a decoder says, else its name; in one line."""
    message = str(error) if error.args else ""
    return (" ".join(message.split()) or type(error).__name__)[:120]


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
