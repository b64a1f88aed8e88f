"""The one door to the test split: every opening is written down before an image is read.

Studies and commands import it, and nothing that they train, tune or check with. A test follows the imports, and inside
a training run, a search or a check the door stays shut (`turnstile`).
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Int64
from torch import Tensor

from tutelage import files, sealed
from tutelage.data import Data, leaks, sources, turnstile
from tutelage.data.images import Images
from tutelage.data.index import Index
from tutelage.data.leaks import Leakage
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.errors import Damaged, UserError


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
        opening |= {"data": dataset.data.title, "split": _split(dataset)}
        try:
            sealed.append_lines(ledger, [opening], ledger.name)
        except Damaged as damaged:
            raise _no_ledger(damaged) from None
        except OSError as error:
            raise UserError(
                f"cannot record the opening of the test split in {ledger}: {error}", "make it writable"
            ) from error
        if dataset.data.is_path:
            from tutelage.data import photos

            indexed = photos.sound(dataset.data)
            return photos.images(indexed, photos.set_aside(indexed, dataset.data), dataset.data, "test")
        images, labels, _ = sources.read_test(dataset.name, dataset.root)
        return MemoryImages(images, labels)


def openings(ledger: Path) -> list[dict[str, Any]]:
    """Every opening so far, of any data set, oldest first: {"time", "run", "reason", "data", "split"}."""
    try:
        return sealed.read_lines(ledger, ledger.name)
    except Damaged as damaged:
        raise _no_ledger(damaged) from None


class Openings(NamedTuple):
    """Lines of a ledger, oldest first."""

    known: list[dict[str, Any]]
    """The openings of one test split."""
    unnamed: list[dict[str, Any]]
    """Older lines, which do not say of which data set they are: any of them may be of that split."""


def openings_of(dataset: DataSet, ledger: Path) -> Openings:
    """Every opening so far of a data set's test split, and those that may have been.

    Raises:
        UserError: as for `positions`.
    """
    with turnstile.passing(_caller()):
        split = _split(dataset)
    lines = openings(ledger)
    known = [line for line in lines if line.get("split") == split]
    return Openings(known, [line for line in lines if "split" not in line])


def _split(dataset: DataSet) -> str:
    """What a test split is known by: a built-in one by its name, photos by their contents, wherever they are.

    It is the same for every part of the training images, and for every size that photos are shown in.
    """
    if not dataset.data.is_path:
        return dataset.name
    from tutelage.data import photos

    indexed = photos.sound(dataset.data)
    aside = indexed.sound.take(photos.set_aside(indexed, dataset.data).numpy())
    return files.digest(sorted(sha.tobytes().hex() for sha in aside.column("sha")))


def positions(indexed: Index, data: Data) -> Int64[Tensor, " T"]:
    """Which sound images of a path are its test split; none is decoded, so that this is no opening.

    Raises:
        UserError: as for `open_test`; a split would lack a class.
    """
    from tutelage.data import photos

    with turnstile.passing(_caller()):
        return photos.set_aside(indexed, data)


def _no_ledger(damaged: Damaged) -> Damaged:
    return Damaged.of(
        damaged.path,
        damaged.reason,
        "it counts how often test was opened: put back a copy; without one, remove it, and it counts from now on",
    )


def leakage(data: Data) -> Leakage | None:
    """How many images of val and test have a copy or a near copy in training; None for a built-in set.

    Photos are decoded small to be compared, and no answer is measured on them: this is no opening.

    Raises:
        UserError: as for `open_test`; some images cannot be used, or a split would lack a class.
    """
    if not data.is_path:
        return None
    from tutelage.data import photos

    indexed = photos.sound(data)
    cut = photos.pieces(indexed, data)
    return leaks.found(indexed, cut.train.tolist(), cut.val.tolist(), positions(indexed, data).tolist())


def _caller() -> str:
    """The module that called a function of this one; what checks annotations in the tests stands between them."""
    frame: Any = sys._getframe(2)
    while frame.f_globals["__name__"].partition(".")[0] == "jaxtyping" or frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    return frame.f_globals["__name__"]
