"""A folder of photos to try things on: 224-pixel JPEGs of five classes, made from CIFAR-10.

python benchmarks/make_photos.py FOLDER [--images 1000] [--splits]
"""

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR10

CLASSES = ("airplane", "automobile", "cat", "dog", "ship")
SIDE = 224
QUALITY = 90
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000, help="of each class")
    parser.add_argument("--splits", action="store_true", help="folders train, val and test")
    chosen = parser.parse_args()
    source = CIFAR10(os.environ["TUTELAGE_DATA"], train=True)
    labels, generator = np.array(source.targets), np.random.default_rng(0)
    for name in CLASSES:
        members = np.flatnonzero(labels == source.class_to_idx[name])
        for number, position in enumerate(generator.permutation(members)[: chosen.images]):
            folder = chosen.folder / split(number / chosen.images) / name if chosen.splits else chosen.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(source.data[position]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            image.save(folder / f"{name}_{number:04d}.jpg", quality=QUALITY)
    print(f"{len(CLASSES)} classes of {chosen.images} images in {chosen.folder}")


def split(place: float) -> str:
    """The split at a place in 0..1."""
    for name, share in SHARES.items():
        place -= share
        if place < -1e-9:
            return name
    return name


if __name__ == "__main__":
    main()
