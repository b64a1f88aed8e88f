"""CIFAR-10 and CIFAR-100 in their python version, unpickled by torchvision once their hashes are right.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

from pathlib import Path
from typing import Any

import torch

from tutelage.data.sources import Split, ensure, folder, reader


@reader
def cifar10(root: Path | None, *, train: bool) -> Split:
    """60,000 photos of 32 pixels in ten classes."""
    from torchvision.datasets import CIFAR10

    return _read(CIFAR10, "cifar10", root, train=train)


@reader
def cifar100(root: Path | None, *, train: bool) -> Split:
    """The same in a hundred classes."""
    from torchvision.datasets import CIFAR100

    return _read(CIFAR100, "cifar100", root, train=train)


def _read(cls: Any, name: str, root: Path | None, *, train: bool) -> Split:
    base = cls.base_folder
    files = dict([*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])])
    where = folder(root)
    if where.name == base:
        where = where.parent
    hint = f"unpack {cls.url} there, so that it holds {base}/"
    ensure(name, where, {f"{base}/{file}": md5 for file, md5 in files.items()}, cls, hint)
    split = cls(where, train=train)
    return torch.from_numpy(split.data).permute(0, 3, 1, 2), torch.tensor(split.targets), tuple(split.classes)
