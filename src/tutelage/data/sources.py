"""Reads the named data sets: the digits of scikit-learn, and the files that the classes of torchvision read.

Every file is compared with its hash before it is read (CIFAR's files are pickles, read by torchvision).
"""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from tutelage.data import DATASETS
from tutelage.data.stratify import stratified_order
from tutelage.errors import UserError, unknown
from tutelage.files import appearing

Split = tuple[UInt8[Tensor, "N C H W"], Int64[Tensor, " N"], tuple[str, ...]]
"""Images, labels and the names of the classes."""

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its .gz files."""

# MD5, as torchvision has it; for Fashion-MNIST, whose unpacked files torchvision does not check, of those in Debian.
_FASHION = {
    "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


def read(name: str, root: Path | None, *, train: bool) -> Split:
    """The official training or test split, whole.

    Raises:
        UserError: no such data set; files missing or corrupt.
    """
    if name not in _READERS:
        raise unknown("data set", name, DATASETS, "tutelage list datasets")
    return _READERS[name](root, train)


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


def _digits(root: Path | None, train: bool) -> Split:
    """scikit-learn's 1,797 digits; the set has no test split: a fixed fifth of every class is one here."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = torch.from_numpy(digits.target.astype(np.int64))
    images = (digits.images.astype(np.int64) * 255 + 8) // 16  # 0..16 to 0..255, rounded
    order = stratified_order(labels, "digits test")
    test = round(0.2 * len(labels))
    chosen = (order[test:] if train else order[:test]).sort().values
    pixels = torch.from_numpy(images.astype(np.uint8))[:, None]
    return pixels[chosen], labels[chosen], tuple(str(name) for name in digits.target_names)


def _cifar10(root: Path | None, train: bool) -> Split:
    from torchvision.datasets import CIFAR10

    return _cifar(CIFAR10, "cifar10", root, train)


def _cifar100(root: Path | None, train: bool) -> Split:
    from torchvision.datasets import CIFAR100

    return _cifar(CIFAR100, "cifar100", root, train)


def _cifar(cls: Any, name: str, root: Path | None, train: bool) -> Split:
    base = cls.base_folder
    files = dict([*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])])
    where = folder(root)
    if where.name == base:
        where = where.parent
    hint = f"unpack {cls.url} there, so that it holds {base}/"
    _ensure(name, where, {f"{base}/{file}": md5 for file, md5 in files.items()}, cls, hint)
    split = cls(where, train=train)
    return torch.from_numpy(split.data).permute(0, 3, 1, 2), torch.tensor(split.targets), tuple(split.classes)


def _fashion_mnist(root: Path | None, train: bool) -> Split:
    from torchvision.datasets import FashionMNIST

    where = folder(root)
    _unpack_debian(where)
    hint = (
        f"put the unpacked files of {FashionMNIST.mirrors[0]} into FashionMNIST/raw/ there, or install Debian's "
        f"dataset-fashion-mnist (its .gz files in {DEBIAN} are unpacked when found)"
    )
    _ensure("fashion_mnist", where, _FASHION, FashionMNIST, hint)
    split = FashionMNIST(where, train=train)
    return split.data[:, None], split.targets, tuple(split.classes)


def _unpack_debian(where: Path) -> None:
    """Unpacks the files of Debian's package, where it is installed and its files are not there yet."""
    for file in _FASHION:
        packed = DEBIAN / (Path(file).name + ".gz")
        if (where / file).exists() or not packed.exists():
            continue
        try:
            with appearing(where / file) as beside, gzip.open(packed) as source, beside.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise UserError(f"cannot unpack {packed} into {where}: {error}", "name a writable --data-root") from error


def _ensure(name: str, where: Path, files: dict[str, str], cls: Callable[..., Any], hint: str) -> None:
    """Downloads what is missing, then compares every file with its hash."""
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


_READERS: dict[str, Callable[[Path | None, bool], Split]] = {
    "digits": _digits,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "fashion_mnist": _fashion_mnist,
}
