"""Reads one image file: from its bytes to upright 8-bit RGB, or to the reason why not. Imports no torch.

What people expect of a photo is done here once: it is turned as its EXIF tag says, CMYK and palettes become RGB,
transparency shows white, 16 bits a channel become 8, an animation shows its first frame. What cannot be shown is
refused by name.
"""

import hashlib
import io
import math
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tutelage import picture
from tutelage.data.place import Place

PATIENCE_S = 10.0
"""What decoding one file may take when it is looked at first."""
HEAD, TAIL = 16 << 10, 4 << 10
"""Bytes at the beginning and the end of a file that `glance` reads."""
GLANCED = ("JPEG", "MPO", "PNG")
"""Formats whose header says enough: the others are read whole. A PNG ends with checksums of all its pixels."""

OTHERS = (
    (re.compile(rb".{4}ftyp(heic|heix|hevc|mif1|msf1)", re.DOTALL), ": HEIC, as phones write it; save it as JPEG"),
    (re.compile(rb"version https://git-lfs"), ": a pointer of Git LFS; git lfs pull fetches the picture"),
    (re.compile(rb"\s*<"), ": text such as HTML or SVG; was it downloaded whole?"),
)
"""What people take for pictures, by its first bytes."""


class Facts(NamedTuple):
    """What reading a file once told; kept in the index."""

    sha: str
    """SHA-256 of the file's bytes; or their fingerprint, where `glanced`."""
    width: int = 0
    """In pixels, as stored: before EXIF turns it."""
    height: int = 0
    mode: str = ""
    """Pillow's word for how pixels are stored."""
    format: str = ""
    turned: bool = False
    """EXIF says that it has to be turned or mirrored."""
    frames: int = 1
    shown: str = ""
    """Names its upright RGB pixels: the same for files of other bytes that show the same."""
    broken: str = ""
    """Why it cannot be used; empty: it can."""
    bits: int = 0
    """The bits of 16-bit grey: those that its values need, by which it is scaled to 8; 0: it has 8."""

    @property
    def glanced(self) -> bool:
        """Whether its header alone was read: it may turn out to be damaged when it is decoded."""
        return not (self.shown or self.broken)

    @property
    def pixels(self) -> str:
        """Names what the picture shows: the file's bytes, and the rule for fewer than 16 bits where it was applied."""
        return f"{self.sha}/{self.bits}" if 0 < self.bits < 16 else self.sha


def content(root: Path, place: Place) -> bytes:
    """The bytes of an image: a file's, or a part of a tar file's.

    Raises:
        OSError: the file cannot be read, or is no plain file.
    """
    size = picture.plain_size(root / place.file, whole=not place.length)
    if place.length < 0:
        return b""
    with (root / place.file).open("rb") as file:
        file.seek(place.offset)
        return file.read(min(place.length or size, size, picture.LARGEST))


def named(data: bytes, facts: Facts) -> str:
    """What `Facts.sha` would be of these bytes, were they read as those of `facts` were."""
    if facts.glanced:
        return _fingerprint(len(data), data[:HEAD], data[-TAIL:])
    return hashlib.sha256(data).hexdigest()


def is_as(facts: Facts, root: Path, place: Place) -> bool:
    """Whether a file still holds what it held, as far as was looked at."""
    try:
        if facts.glanced:
            return _fingerprint(*_ends(root, place)) == facts.sha
        return hashlib.sha256(content(root, place)).hexdigest() == facts.sha
    except (OSError, MemoryError, ValueError, OverflowError):  # as `inspect`
        return not facts.sha


def decoded(data: bytes, side: int = 0) -> Image.Image:
    """Upright RGB.

    Args:
        data: A file's bytes.
        side: A JPEG may be decoded smaller than it is, as long as both sides stay at least this; 0: in full.

    Raises:
        ValueError: it is not an image that can be shown; says why.
    """
    return _decoded(data, side)[0]


def inspect(root: Path, place: Place) -> Facts:
    """Reads one file whole and decodes it; never raises for what is in it."""
    try:
        data = content(root, place)
    except OSError as error:
        return Facts("", broken=error.strerror or str(error))
    except (MemoryError, ValueError, OverflowError) as error:
        return Facts("", broken=_reason(error, b"-"))
    sha = hashlib.sha256(data).hexdigest()
    return _in_time(lambda: _facts(sha, data)) or Facts(sha, broken=f"decoding takes more than {PATIENCE_S:g} s")


def glance(root: Path, place: Place) -> Facts:
    """Reads the header of one file, and whole what has none that says enough; never raises for what is in it.

    The file is named by its size, its first 16 KiB and its last 4 KiB.
    """
    try:
        size, head, tail = _ends(root, place)
        with Image.open(io.BytesIO(head), formats=picture.FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(picture.ORIENTATION, 1) != 1
            known = image.format in GLANCED and image.mode not in picture.DEEP and min(width, height) > 1
            mode, kind = image.mode, image.format or ""
        if known:
            return Facts(_fingerprint(size, head, tail), width, height, mode, kind, turned)
    except Exception:  # decoders raise anything: the whole file says what is wrong, or that all is well
        pass
    return inspect(root, place)


def _ends(root: Path, place: Place) -> tuple[int, bytes, bytes]:
    """A file's size, its beginning and its end, read without what lies between."""
    picture.plain_size(root / place.file, whole=not place.length)
    with (root / place.file).open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):  # else the system reads on, of every file
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        size = max(0, place.length) if place.length else os.fstat(file.fileno()).st_size
        file.seek(place.offset)
        head = file.read(min(HEAD, size))
        if size <= HEAD:
            return size, head, head[-TAIL:]
        file.seek(place.offset + size - TAIL)
        return size, head, file.read(TAIL)


def _fingerprint(size: int, head: bytes, tail: bytes) -> str:
    return hashlib.sha256(f"{size} bytes, of which:".encode() + head + tail).hexdigest()


def _facts(sha: str, data: bytes) -> Facts:
    try:
        with Image.open(io.BytesIO(data), formats=picture.FORMATS) as image:
            width, height = image.size
            mode, kind = image.mode, image.format or ""
            frames = 1 if kind == "MPO" else getattr(image, "n_frames", 1)  # MPO: a phone's second picture
            turned = image.getexif().get(picture.ORIENTATION, 1) != 1
    except Exception as error:
        return Facts(sha, broken=_reason(error, data))
    facts = Facts(sha, width, height, mode, kind, turned, frames)
    try:
        image, bits = _decoded(data, side=0)
        return facts._replace(shown=_shown(image), bits=bits)
    except Exception as error:
        return facts._replace(broken=_reason(error, data))


def _in_time(work: Callable[[], Facts]) -> Facts | None:
    """What `work` returns, or None where it takes more than `PATIENCE_S`; on a busy machine it has three times that.

    A thread of its own is the least that bounds a decoder's time: pixel limits do not (a JPEG may have thousands of
    scans), and processes would have to be started, fed and ended for every folder. Decoders let go of the interpreter
    while they work, so waiting for one can end; one that is given up ends by itself, or with the process. Its own
    processor time is looked at, so that a sound picture is not given up because others keep the machine busy.
    """
    found: list[Facts] = []
    clock: list[int] = []

    def run() -> None:
        if hasattr(time, "pthread_getcpuclockid"):  # not on Windows
            clock.append(time.pthread_getcpuclockid(threading.get_ident()))
        found.append(work())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    for _ in range(3):
        thread.join(PATIENCE_S)
        if not thread.is_alive() or _spent(clock) > PATIENCE_S / 2:
            break
    return found[0] if found else None


def _spent(clock: list[int]) -> float:
    """Seconds of processor time by a thread's clock; infinite where there is none."""
    try:
        return time.clock_gettime(clock[0])
    except (IndexError, OSError):
        return math.inf


def _decoded(data: bytes, side: int) -> tuple[Image.Image, int]:
    """Upright RGB, and the bits of 16-bit grey."""
    try:
        image = Image.open(io.BytesIO(data), formats=picture.FORMATS)
        if side and image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (side, side))
        seen, bits = picture.shown(image)
        if min(image.size) < 2:
            raise ValueError(f"only {image.width} x {image.height} pixels")
        return _rgb(seen), bits
    except Exception as error:  # a damaged file makes decoders raise anything
        raise ValueError(_reason(error, data)) from None


def _shown(image: Image.Image) -> str:
    """128 bits of SHA-256 of the size and the pixels, in hexadecimal."""
    digest = hashlib.sha256(repr(image.size).encode())
    digest.update(np.ascontiguousarray(np.asarray(image)).data)
    return digest.hexdigest()[:32]


def _rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, Image.UnidentifiedImageError):
        kinds = (kind for beginning, kind in OTHERS if beginning.match(data))
        return f"not an image of a known format{next(kinds, '')}"
    if isinstance(error, Image.DecompressionBombError):
        return "more than 179 million pixels: a decompression bomb?"
    return picture.reason(error)
