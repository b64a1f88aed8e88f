"""Precision and recall of the near-copy rule on photos that had no part in choosing it.

    python benchmarks/near_copies.py --data-root DATA

Five classes of CIFAR-10's test images, enlarged to 106 x 106. Every second photo becomes a burst of six, whose changes
are drawn at random.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from torchvision.datasets import CIFAR10

from tutelage.data import index, near

CLASSES = ("automobile", "dog", "frog", "horse", "truck")  # airplanes, cats and ships chose the rule
PHOTOS, LARGE, SIDE = 100, 106, 80


def shots(photo: Image.Image, generator: np.random.Generator) -> list[Image.Image]:
    """The middle of a photo, and that shifted, zoomed, brighter, darker and blurred."""
    room = (LARGE - SIDE) // 2
    middle = photo.crop((room, room, room + SIDE, room + SIDE))
    x, y = (room + int(shift) for shift in generator.integers(-8, 9, 2))
    off = int(generator.integers(2, 9))
    return [
        middle,
        photo.crop((x, y, x + SIDE, y + SIDE)),
        middle.crop((off, off, SIDE - off, SIDE - off)).resize(middle.size, Image.Resampling.BICUBIC),
        ImageEnhance.Brightness(middle).enhance(generator.uniform(1.1, 1.4)),
        ImageEnhance.Brightness(middle).enhance(generator.uniform(0.6, 0.9)),
        middle.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 1.5))),
    ]


def write(folder: Path, data_root: str) -> None:
    dataset, generator = CIFAR10(data_root, train=False), np.random.default_rng(0)
    labels = np.asarray(dataset.targets)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        of_class = np.flatnonzero(labels == dataset.class_to_idx[name])[:PHOTOS]
        for number, position in enumerate(of_class):
            photo = Image.fromarray(dataset.data[position]).resize((LARGE, LARGE), Image.Resampling.BICUBIC)
            for shot, picture in enumerate(shots(photo, generator)[: 1 if number % 2 else None]):
                picture.save(folder / name / f"{number:04d}_{shot:04d}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", required=True, help="the folder with cifar-10-batches-py")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        write(folder, parser.parse_args().data_root)
        indexed = index.read(str(folder))
        files = [Path(one.place.file) for one in indexed.sound]
        photos = [(file.parent.name, file.name.partition("_")[0]) for file in files]
        true = {(i, j) for i in range(len(files)) for j in range(i + 1, len(files)) if photos[i] == photos[j]}
        found = set(near.pairs(indexed))
    right = len(found & true)
    print(f"{len(files):,} images, {len(true):,} true pairs, {len(found):,} found:")
    print(f"precision {right / len(found):.3f}, recall {right / len(true):.3f}")


if __name__ == "__main__":
    main()
