"""Photos a second: views by address against torchvision's own ImageFolder and DataLoader with the same transforms.

Random resized crops, flips and light jitter (the recipe's for photos) of JPEGs at 128 pixels, by the same number of
workers, an epoch each in turn; ImageFolder once with transforms of PIL images and once of tensors, the quicker of both
is compared with. Both end in float32 stored channels last, which our training takes. Time is what CPUs spent, workers
included, and what a clock says. Decoded once (`data.keep file`) the first epoch decodes and writes all photos, later
ones read them; `none` decodes in every epoch.

    python benchmarks/photos.py [--images 320] [--rounds 12] [--workers 1 2] [--stored 224 512] [--limit 20]
"""

import argparse
import math
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from _common import WARM_UP, in_words, ratio, write
from tutelage import files, progress
from tutelage.data import index
from tutelage.data.augment import Augment
from tutelage.data.files import FileImages
from tutelage.data.store import Decoder, kept

SIDE, BATCH = 128, 32
AUGMENT = Augment(crop_padding=0, crop_scale=0.35, jitter=0.2)


def make(folder: Path, images: int, stored: int) -> None:
    """Square photos of coloured noise at all scales, which JPEG finds as hard as others (224 pixels: about 15 kB)."""
    generator = np.random.default_rng(0)
    for number in range(images):
        photo = np.zeros((stored, stored, 3))
        for side in (4, 16, 64):
            noise = Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8))
            photo += np.asarray(noise.resize((stored, stored), Image.Resampling.BICUBIC)) * (8 / side) ** 0.5
        place = folder / f"class{number % 5}" / f"{number:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((photo / photo.max() * 255).astype(np.uint8)).save(place, quality=90)


def torchvisions(folder: Path, workers: int) -> dict[str, Callable[[], Iterable[Any]]]:
    """An epoch of ImageFolder through a DataLoader, by what its transforms work on."""
    crop = v2.RandomResizedCrop(SIDE, scale=(AUGMENT.crop_scale, 1.0), antialias=True)
    change = [crop, v2.RandomHorizontalFlip(), v2.ColorJitter(AUGMENT.jitter, AUGMENT.jitter, AUGMENT.jitter)]
    tensor, scaled = v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)
    orders = {"ImageFolder, PIL": [*change, tensor, scaled], "ImageFolder, tensors": [tensor, *change, scaled]}
    loaders = {
        name: DataLoader(ImageFolder(folder, v2.Compose(order)), BATCH, shuffle=True, num_workers=workers)
        for name, order in orders.items()
    }
    return {name: lambda loader=loader: loader for name, loader in loaders.items()}


def ours(folder: Path, workers: int) -> dict[str, Callable[[], Iterable[Any]]]:
    """An epoch of the same photos as runs have them, by how they are kept."""
    indexed = index.read(str(folder))
    decoder = Decoder(folder, indexed.sound, SIDE, "training")
    labels = torch.zeros(len(indexed.sound), dtype=torch.int64)
    in_file = kept(decoder, "file", "decoding")

    def epoch(photos: Any) -> Iterable[Any]:
        samples = torch.randperm(len(labels)).split(BATCH)
        addresses = ((sample, torch.zeros_like(sample)) for sample in samples)
        return FileImages(photos, decoder, labels, "").stream(addresses, AUGMENT, workers)

    def first() -> Iterable[Any]:
        files.remove_folder(files.cache_folder() / f"pixels-{decoder.digest[:16]}")
        return epoch(kept(decoder, "file", "decoding"))

    return {"keep none": lambda: epoch(decoder), "keep file, first": first, "keep file, later": lambda: epoch(in_file)}


def spent() -> float:
    """Seconds of CPU that this process and its workers, those that have ended, have taken."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(
    contenders: dict[str, Callable[[], Iterable[Any]]], images: int, rounds: int, limit_s: float
) -> dict[str, dict[str, list[float]]]:
    """Seconds an epoch of each, in turn: of CPUs, and of a clock."""
    taken: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in contenders} for kind in ("cpu", "clock")}
    begun = time.perf_counter()
    for number in range(rounds + WARM_UP):
        if number >= WARM_UP + 4 and time.perf_counter() - begun > limit_s:
            break
        for name, contender in contenders.items():
            cpu, clock = spent(), time.perf_counter()
            seen = sum(len(pixels(batch)) for batch in contender())
            if seen != images:
                raise RuntimeError(f"{name} made {seen} of {images} photos")
            if number >= WARM_UP:
                taken["cpu"][name].append(spent() - cpu)
                taken["clock"][name].append(time.perf_counter() - clock)
    return taken


def pixels(batch: Any) -> Tensor:
    """Of a batch of either: float32 in [0, 1], stored channels last."""
    return batch[0].contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Prints and writes docs/results/photos.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stored", type=int, nargs="+", default=[224, 512], help="side of the JPEGs, in pixels")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds for each row")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    progress.console.quiet = True
    rows = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["TUTELAGE_CACHE"] = f"{name}/cache"
        for stored in chosen.stored:
            folder = Path(name) / f"photos-{stored}"
            make(folder, chosen.images, stored)
            for workers in chosen.workers:
                contenders = torchvisions(folder, workers) | ours(folder, workers)
                taken = timed(contenders, chosen.images, chosen.rounds, chosen.limit)
                rows.append(row(stored, workers, chosen.images, taken))
    result = {"images": chosen.images, "side": SIDE, "batch": BATCH, "rows": rows}
    print(write("photos", result))


def row(stored: int, workers: int, images: int, taken: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """What is written of photos of one size and one number of workers, and printed."""
    result: dict[str, Any] = {"stored": stored, "workers": workers}
    for kind, seconds in taken.items():
        theirs = [name for name in seconds if name.startswith("ImageFolder")]
        best = min(theirs, key=lambda name: statistics.median(seconds[name]))
        result[kind] = {
            "images_per_second": {name: round(images / statistics.median(times)) for name, times in seconds.items()},
            "best_of_torchvision": best,
            "speed_to_best": {name: ratio({"a": seconds[best], "b": seconds[name]}, "a", "b") for name in seconds},
        }
        for name, values in result[kind]["speed_to_best"].items():
            speed = result[kind]["images_per_second"][name]
            print(
                f"{stored} pixels, {workers} workers, {kind}: {name} / {best} = {in_words(values)}, {speed:,} images/s",
                flush=True,
            )
    return result


if __name__ == "__main__":
    main()
