"""Reads a built-in data set by its file in data/sets; what those files share.

Every file is compared with its hash before it is read (CIFAR's files are pickles, read by torchvision).
"""

import importlib
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from jaxtyping import Int64, UInt8
from torch import Tensor

from tutelage.data import DATASETS, turnstile
from tutelage.errors import UserError, unknown

Split = tuple[UInt8[Tensor, "N C H W"], Int64[Tensor, " N"], tuple[str, ...]]
"""Images, labels and the names of the classes."""


def reader(function: Callable[..., Split]) -> Callable[..., Split]:
    """Decorates the function of a data set: it answers with test images only where data/test_split.py asks."""
    name = getattr(function, "__name__", "a data set")

    @wraps(function)
    def guarded(root: Path | None, *, train: bool) -> Split:
        if not train:
            turnstile.require_passing(f"the reader of {name}")
        return function(root, train=train)

    return guarded


def read(name: str, root: Path | None) -> Split:
    """The official training split, whole.

    Raises:
        UserError: no such data set; files missing or corrupt.
    """
    return _reader(name)(root, train=True)


def read_test(name: str, root: Path | None) -> Split:
    """The official test split, whole; for data/test_split.py.

    Raises:
        UserError: somebody else asks; as for `read`.
    """
    return _reader(name)(root, train=False)


def folder(root: Path | None) -> Path:
    """The folder that holds the files: `root`, else $TUTELAGE_DATA, else ~/.cache/tutelage/data.

    Raises:
        UserError: the folder was named and does not exist.
    """
    for source, path in (("--data-root", root), ("TUTELAGE_DATA", os.environ.get("TUTELAGE_DATA"))):
        if path:
            path = Path(path).expanduser()
            if not path.is_dir():
                raise UserError(
                    f"the data folder {path} ({source}) does not exist",
                    "name a folder that exists, or none: the files then go to ~/.cache/tutelage/data",
                )
            return path
    return Path.home() / ".cache" / "tutelage" / "data"


def ensure(name: str, where: Path, files: dict[str, str], cls: Callable[..., Any], hint: str) -> None:
    """Downloads what is missing, then compares every file with its hash.

    Args:
        name: Of the data set, for messages.
        where: The folder of all data sets.
        files: MD5 by path below it.
        cls: A data set class of torchvision, which downloads.
        hint: What to put where, if there is no network.

    Raises:
        UserError: a file cannot be had, or is corrupt.
    """
    from torchvision.datasets.utils import check_integrity

    missing = [file for file in files if not (where / file).is_file()]
    if missing:
        try:
            where.mkdir(parents=True, exist_ok=True)
            cls(where, train=True, download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{name} is not in {where} (missing: {', '.join(missing)}), and the download failed: {_reason(error)}",
                f"{hint}; --data-root DIR or TUTELAGE_DATA names another folder",
            ) from error
    for file, md5 in files.items():
        try:
            sound = check_integrity(where / file, md5)
        except OSError as error:
            raise UserError(f"cannot read {where / file}: {error.strerror}", hint) from error
        if not sound:
            raise UserError(
                f"{where / file} is corrupt: its MD5 is not {md5}",
                f"delete it and run again for a new download, or {hint}",
            )


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())


def _reader(name: str) -> Callable[..., Split]:
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS, "tutelage list datasets")
    return getattr(importlib.import_module(f"tutelage.data.sets.{DATASETS[name].module}"), name)
