"""Fashion-MNIST: torchvision's download, or the files of Debian's package.

Source: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
"""

import gzip
import shutil
from pathlib import Path

from tutelage.data.sources import Split, ensure, folder, reader
from tutelage.errors import UserError
from tutelage.files import appearing

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its .gz files."""

# Of the unpacked files in Debian's package: torchvision does not check unpacked ones.
MD5 = {
    "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


@reader
def fashion_mnist(root: Path | None, *, train: bool) -> Split:
    """70,000 grey photos of clothes, 28 pixels wide, in ten classes."""
    from torchvision.datasets import FashionMNIST

    where = folder(root)
    _unpack_debian(where)
    hint = (
        f"put the unpacked files of {FashionMNIST.mirrors[0]} into FashionMNIST/raw/ there, or install Debian's "
        f"dataset-fashion-mnist (its .gz files in {DEBIAN} are unpacked when found)"
    )
    ensure("fashion_mnist", where, MD5, FashionMNIST, hint)
    split = FashionMNIST(where, train=train)
    return split.data[:, None], split.targets, tuple(split.classes)


def _unpack_debian(where: Path) -> None:
    """Unpacks the files of Debian's package, where it is installed and its files are not there yet."""
    for file in MD5:
        packed = DEBIAN / (Path(file).name + ".gz")
        if (where / file).exists() or not packed.exists():
            continue
        try:
            with appearing(where / file) as beside, gzip.open(packed) as source, beside.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise UserError(f"cannot unpack {packed} into {where}: {error}", "name a writable --data-root") from error
