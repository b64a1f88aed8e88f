"""Reads one image file: from its bytes to upright 8-bit RGB, or to the reason why not. Imports no torch.

What people expect of a photo is done here once: it is turned as its EXIF tag says, CMYK and palettes become RGB,
transparency shows white, 16 bits a channel become 8, an animation shows its first frame. What cannot be shown is
refused by name.
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from tutelage.data.places import Place

Image.init()
FORMATS = [f for f in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000") if f in Image.OPEN]
"""What Pillow may open; formats that start other programs (EPS) are not among them."""
STEP = 4
"""Of 255: brightness rises where it does by more; noise and compression do not."""
STRUCTURE = 6
"""Rises of an image that has a look at all."""
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
"""Pillow's modes of one channel of more than 8 bits."""

# Pillow warns from 89 million pixels, a large panorama, and refuses from 179 million.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class Facts(NamedTuple):
    """What reading a file once told; kept in the index."""

    sha: str
    """SHA-256 of the file's bytes."""
    width: int = 0
    """In pixels, as stored: before EXIF turns it."""
    height: int = 0
    mode: str = ""
    """Pillow's word for how pixels are stored."""
    format: str = ""
    turned: bool = False
    """EXIF says that it has to be turned or mirrored."""
    frames: int = 1
    look: str = ""
    """128 bits in hexadecimal that images of the same look share; empty where the image has no structure."""
    broken: str = ""
    """Why it cannot be used; empty: it can."""


def content(root: Path, place: Place) -> bytes:
    """The bytes of an image: a file's, or a part of a tar file's."""
    with (root / place.file).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.length or -1)


def decoded(data: bytes, side: int = 0) -> Image.Image:
    """Upright RGB.

    Args:
        data: A file's bytes.
        side: A JPEG may be decoded smaller than it is, as long as both sides stay at least this; 0: in full.

    Raises:
        ValueError: it is not an image that can be shown; says why.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if side and image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (side, side))
        image.load()
    except Exception as error:  # a damaged file makes decoders raise anything
        raise ValueError(_reason(error, data)) from None
    if min(image.size) < 2:
        raise ValueError(f"only {image.width} x {image.height} pixels")
    ImageOps.exif_transpose(image, in_place=True)
    return _rgb(image)


def inspect(root: Path, place: Place) -> Facts:
    """Reads one file whole and decodes it; never raises for what is in it."""
    try:
        data = content(root, place)
    except OSError as error:
        return Facts("", broken=error.strerror or str(error))
    sha = hashlib.sha256(data).hexdigest()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            mode, kind = image.mode, image.format or ""
            frames = 1 if kind == "MPO" else getattr(image, "n_frames", 1)  # MPO: a phone's second picture
            turned = image.getexif().get(0x0112, 1) != 1
    except Exception as error:
        return Facts(sha, broken=_reason(error, data))
    facts = Facts(sha, width, height, mode, kind, turned, frames)
    try:
        return facts._replace(look=look(decoded(data, side=64)))
    except ValueError as error:
        return facts._replace(broken=str(error))


def look(image: Image.Image) -> str:
    """Where brightness rises to the right (64 bits) and downwards (64 bits) on a grid of 9 x 9, in hexadecimal.

    The difference hash (Krawetz 2013) in both directions: another size, quality or a little colour leave it nearly
    as it was.
    """
    grid = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.BOX), np.int16)
    right, down = np.diff(grid, axis=1)[:8], np.diff(grid, axis=0)[:, :8]
    rises = np.concatenate([right, down]) > STEP
    return np.packbits(rises).tobytes().hex() if rises.sum() >= STRUCTURE else ""


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in DEEP:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"{values.min()} to {values.max()} are more than 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels: their range is not known")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "more than 179 million pixels: a decompression bomb?"
    return (" ".join(str(error).split()) or type(error).__name__)[:120]
