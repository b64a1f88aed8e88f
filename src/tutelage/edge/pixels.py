"""From a picture file to the input of an exported student, with Pillow and NumPy alone."""

from pathlib import Path

import numpy as np
from PIL import Image

from tutelage.edge.card import Card
from tutelage.errors import UserError
from tutelage.picture import FORMATS, plain_size, reason, shown


def read_picture(path: Path, card: Card) -> np.ndarray:
    """A picture as the student wants it: float32 [1, C, H, W] in [0, 1].

    Turned as its EXIF orientation says; of an animation the first frame; what is transparent is laid on white;
    16-bit grey scaled to 8 by the bits its values need; its largest centred part of the input's proportions, resized.

    Raises:
        UserError: it cannot be read as a picture.
    """
    try:
        plain_size(path)
        with Image.open(path, formats=FORMATS) as opened:
            picture = _plain(shown(opened)[0], channels=card.shape[0])
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:  # Pillow's readers let whatever a damaged file provokes pass through
        raise UserError(f"{path} {_reason(error)}") from None
    return as_input(picture, card)


def as_input(picture: Image.Image, card: Card) -> np.ndarray:
    """The largest centred part of the input's proportions, resized and scaled to [0, 1]: float32 [1, C, H, W]."""
    channels, height, width = card.shape
    wide, high = picture.size
    part = min(wide, max(1, high * width // height)), min(high, max(1, wide * height // width))
    left, top = (wide - part[0]) // 2, (high - part[1]) // 2
    picture = picture.crop((left, top, left + part[0], top + part[1]))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling[card.interpolation.upper()])
    pixels = np.asarray(picture, np.float32) / np.float32(255)
    return pixels.reshape(1, height, width, channels).transpose(0, 3, 1, 2).copy()


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
