"""The one door to the test split: every opening is written down before an image is read.

Studies and commands import it, and nothing that they train, tune or check with. A test follows the imports, and inside
a training run, a search or a check the door stays shut (`turnstile`).
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data import Data, leaks, sources, turnstile
from tutelage.data.images import Images
from tutelage.data.index import Index
from tutelage.data.leaks import Leakage
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.errors import UserError


def open_test(dataset: DataSet, ledger: Path, *, run: str, reason: str) -> Images:
    """The test images, after their opening was written down.

    Args:
        dataset: Whose test split.
        ledger: The file `test_openings.jsonl` that counts the openings; appended to, by one process at a time.
        run: Which run or study asks.
        reason: Why.

    Raises:
        UserError: a training run, a search or a check is going on; no reason was given; the ledger cannot be written;
            the files are missing or corrupt.
    """
    with turnstile.passing(_caller()):
        if not reason.strip():
            raise UserError("the test split opens on the record only, and the reason is empty", "say why it is opened")
        opening = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "run": run, "reason": reason}
        try:
            files.append_line(ledger, opening)
        except OSError as error:
            raise UserError(
                f"cannot record the opening of the test split in {ledger}: {error}", "make it writable"
            ) from error
        if dataset.data.is_path:
            from tutelage.data import photos

            found = photos.sound(dataset.data)
            return photos.images(found, photos.set_aside(found, dataset.data), dataset.data, "test")
        images, labels, _ = sources.read_test(dataset.name, dataset.root)
        return MemoryImages(images, labels)


def openings(ledger: Path) -> list[dict[str, Any]]:
    """Every opening so far, oldest first: {"time", "run", "reason"}."""
    return files.read_lines(ledger)


def positions(found: Index, data: Data) -> Int64[Tensor, " T"]:
    """Which sound images of a path are its test split; none is decoded, so that this is no opening.

    Raises:
        UserError: as for `open_test`; a split would lack a class.
    """
    from tutelage.data import photos

    with turnstile.passing(_caller()):
        return photos.set_aside(found, data)


def leakage(data: Data) -> Leakage | None:
    """How many images of val and test have a copy or a near copy in training; None for a built-in set.

    Photos are decoded small to be compared, and no answer is measured on them: this is no opening.

    Raises:
        UserError: as for `open_test`; some images cannot be used, or a split would lack a class.
    """
    if not data.is_path:
        return None
    from tutelage.data import photos

    found = photos.sound(data)
    cut = photos.pieces(found, data)
    return leaks.found(found, cut.train.tolist(), cut.val.tolist(), positions(found, data).tolist())


def _caller() -> str:
    """The module that called a function of this one; what checks annotations in the tests stands between them."""
    frame: Any = sys._getframe(2)
    while frame.f_globals["__name__"].partition(".")[0] == "jaxtyping" or frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    return frame.f_globals["__name__"]
