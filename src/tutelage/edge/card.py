"""Reads the card beside an exported file: its classes, and how to get from a picture to its input.

The card is JSON: in an ONNX file's metadata under `KEY`, at the end of a .tflite file as a zip archive (as TensorFlow
Lite keeps what belongs to a file), and for every format in card.json beside the file.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage import files, sealed
from tutelage.errors import Damaged, UserError

KEY = "tutelage"
BESIDE = "card.json"
EXPORTED = "export.json"
"""Says what each exported file is worth, and its SHA-256."""
AGAIN = "tutelage export RUN writes it again"
LARGEST = 1 << 22
"""Bytes of a card inside a file: one of ten thousand classes has some hundred thousand."""
INTERPOLATIONS = ("bilinear", "bicubic")
PHOTOS = "bicubic"
"""How photos are resized that come in many sizes."""


@dataclass(frozen=True)
class Card:
    """From a picture to the input, and from the output to a word."""

    classes: tuple[str, ...]
    """Names, in the order of the logits."""
    shape: tuple[int, int, int]
    """Channels (1: grey, 3: red, green, blue), height and width of the input, whose values are in [0, 1]."""
    interpolation: str = "bilinear"
    """How pictures are resized; antialiased, as image libraries do."""

    @staticmethod
    def of(plain: Any, where: str) -> "Card":
        """A card from its JSON form.

        Args:
            plain: The value.
            where: What it was read from, for the message.

        Raises:
            UserError: names what is missing or cannot be.
        """
        given = plain if isinstance(plain, dict) else {}
        pixels = given.get("input", {})
        shape, classes = pixels.get("shape", ()), given.get("classes", ())
        interpolation = pixels.get("interpolation", "bilinear")
        missing = [name for name, value in (("classes", classes), ("input.shape", shape)) if not value]
        if missing:
            raise UserError(f"{where} lacks {' and '.join(missing)}", "tutelage export RUN writes it whole")
        if len(shape) != 3 or shape[0] not in (1, 3) or interpolation not in INTERPOLATIONS:
            raise UserError(
                f"{where}: cannot make an input of shape {list(shape)} by {interpolation} interpolation",
                "expected [channels, height, width] with 1 or 3 channels, and bilinear or bicubic",
            )
        return Card(tuple(map(str, classes)), (shape[0], shape[1], shape[2]), interpolation)


def for_input(channels: int, height: int, width: int, interpolation: str) -> dict[str, Any]:
    """The preprocessing in words that a person can follow, for the card's `input`."""
    return {
        "name": "pixels",
        "shape": [channels, height, width],
        "range": [0, 1],
        "colours": "grey" if channels == 1 else "red, green, blue",
        "interpolation": interpolation,
        "crop": "the largest centred square" if width == height else f"the largest centred part of {width}:{height}",
        "resize": f"to {height} x {width} pixels, antialiased",
    }


def plain_inside(path: Path) -> dict[str, Any] | None:
    """The JSON of a card in a zip archive at the end of a file; None where there is none.

    Raises:
        UserError: it is damaged, or not JSON.
    """
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if BESIDE not in archive.namelist() or archive.getinfo(BESIDE).file_size > LARGEST:
                return None
            text = archive.read(BESIDE).decode(errors="replace")
    # Python's reader lets through whatever a damaged archive provokes.
    except Exception as error:
        raise UserError(f"the card in {path} is damaged: {error}", "export the file anew") from None
    return parsed(text, f"the card in {path}")


def inside(path: Path) -> Card | None:
    """The same as a card.

    Raises:
        UserError: it is not one.
    """
    plain = plain_inside(path)
    return None if plain is None else Card.of(plain, f"the card in {path}")


def starts(path: Path) -> int:
    """Where the archive at the end of a file begins: how long the file itself is."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return min((member.header_offset for member in archive.infolist()), default=path.stat().st_size)


def append(path: Path, plain: dict[str, Any]) -> None:
    """Puts a card at the end of a file."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        # The time is fixed: the same student is the same bytes.
        archive.writestr(zipfile.ZipInfo(BESIDE), json.dumps(plain))


def beside(path: Path) -> Card:
    """The card in card.json beside a file.

    Raises:
        UserError: there is none, or it is not one.
    """
    card = path.parent / BESIDE
    if not card.is_file():
        raise UserError(
            f"{path} does not say its classes and its input's size, and there is no {BESIDE} beside it",
            f"copy {BESIDE} from the run's folder to the file, or export it with tutelage export RUN",
        )
    return Card.of(sealed.read_json(card), str(card))


def check_exported(path: Path) -> None:
    """Compares a file, and what belongs to it, with what export.json beside it says; nothing where there is none.

    Raises:
        Damaged: one of them is not as it was exported.
    """
    exports = path.parent / EXPORTED
    if not exports.is_file():
        return
    for export in sealed.read_json(exports).values():
        if isinstance(export, dict) and export.get("file") == path.name:
            for file, digest in export.get("sha256", {}).items():
                compare(path.parent / file, digest)


def on_chip(path: Path) -> dict[str, Any]:
    """`flash_bytes`, `ram_bytes` and `npu` of a file for microcontrollers, by export.json beside it; else None."""
    exports = path.parent / EXPORTED
    found = sealed.read_json(exports).values() if exports.is_file() else ()
    export = next((entry for entry in found if isinstance(entry, dict) and entry.get("file") == path.name), {})
    return {
        "flash_bytes": export.get("flash_bytes", {}).get("total"),
        "ram_bytes": export.get("ram_bytes", {}).get("arena"),
        "npu": export.get("npu"),
    }


def compare(path: Path, digest: str) -> None:
    """Raises Damaged where an exported file is gone, or has another SHA-256."""
    if not path.is_file():
        raise Damaged.of(path, "it is gone", AGAIN)
    if files.file_digest(path) != digest:
        raise Damaged.of(path, f"its checksum is not the one in {EXPORTED}", AGAIN)


def parsed(text: str, where: str) -> Any:
    """JSON, or a UserError that names where it was read."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON: {error}", "export the file anew") from None
