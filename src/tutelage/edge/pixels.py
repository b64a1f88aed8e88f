"""Makes the input of a student from a picture file, with Pillow and NumPy alone.

This is the only definition of what is evaluated: validation and test photos, the images that int8 is calibrated on, and
pictures on a device all come from here. Training views have their own (`data.store`).
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tutelage.edge.card import Card
from tutelage.errors import UserError
from tutelage.picture import FORMATS, plain_size, reason, shown

SCALE = np.float32(1 / 255)
"""Multiplied by, as training does: dividing by 255 gives other bits."""


def read_picture(path: Path, card: Card) -> np.ndarray:
    """A picture as the student wants it: float32 [1, C, H, W] in [0, 1].

    As a person sees it (`upright`), its largest centred part of the input's proportions, resized (`fitted`).

    Raises:
        UserError: it cannot be read as a picture.
    """
    try:
        plain_size(path)
        picture = upright(path, card.shape[0])
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:  # Pillow's readers let whatever a damaged file provokes pass through
        raise UserError(f"{path} {_reason(error)}") from None
    return as_input(picture, card)


def pictures_of(path: Path) -> list[Path]:
    """The pictures directly in a folder, in order of their names; a path that is no folder as it is.

    Raises:
        UserError: a folder without pictures.
    """
    if not path.is_dir():
        return [path]
    endings = Image.registered_extensions()
    inside = sorted(part for part in path.iterdir() if not part.name.startswith("."))
    pictures = [file for file in inside if file.suffix.lower() in endings and not file.is_dir()]
    if not pictures:
        folders = [str(part) for part in inside if part.is_dir()]
        within = (
            f"its folders are {', '.join(folders[:3])}: name one of them"
            if folders
            else "name files or a folder of some"
        )
        raise UserError(f"{path} is a folder without pictures", within)
    return pictures


def left_out(path: Path) -> str:
    """A sentence on what `pictures_of` leaves out of a folder; empty: nothing, or no folder."""
    if not path.is_dir():
        return ""
    taken = set(pictures_of(path))
    others = sorted(part.name for part in path.iterdir() if part not in taken and not part.name.startswith("."))
    if not others:
        return ""
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return f"left out of {path}: {', '.join(others[:3])}{more}; a folder in it is asked about where you name it"


def upright(source: Path | BytesIO, channels: int) -> Image.Image:
    """What a person sees in a picture file, 8-bit grey (1 channel) or red, green, blue (3).

    Decoded in full; turned as its EXIF orientation says; of an animation the first frame; what is transparent is laid
    on white; 16-bit grey scaled to 8 by the bits that its values need.

    Raises:
        Exception: whatever Pillow raises for a damaged file.
    """
    with Image.open(source, formats=FORMATS) as opened:
        return _plain(shown(opened)[0], channels)


def fitted(picture: Image.Image, card: Card) -> np.ndarray:
    """The largest centred part of the input's proportions, resized by Pillow: uint8 [H, W, C]."""
    channels, height, width = card.shape
    wide, high = picture.size
    part = min(wide, max(1, high * width // height)), min(high, max(1, wide * height // width))
    left, top = (wide - part[0]) // 2, (high - part[1]) // 2
    picture = picture.crop((left, top, left + part[0], top + part[1]))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling[card.interpolation.upper()])
    return np.asarray(picture).reshape(height, width, channels)


def as_input(picture: Image.Image, card: Card) -> np.ndarray:
    """`fitted`, scaled to [0, 1]: float32 [1, C, H, W]."""
    pixels = fitted(picture, card).astype(np.float32) * SCALE
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def _plain(picture: Image.Image, channels: int) -> Image.Image:
    """Grey or red, green, blue, whatever the file held."""
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("L" if channels == 1 else "RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "is not a picture"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"is damaged: {reason(error)}"


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
