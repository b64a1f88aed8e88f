"""Views a second: random crop and flip of CIFAR-size images by address, on one core.

python benchmarks/views.py [--rounds 40]
"""

import argparse
import statistics

import torch

from _common import interleaved, write
from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages

IMAGES = 50_000
KINDS = {
    "crop, flip": Augment(),
    "crop (zero), flip, cutout": Augment(padding="zero", cutout=16),
    "crop, flip, mixup": Augment(mix="mixup"),
    "crop, flip, CutMix": Augment(mix="cutmix"),
}


def main() -> None:
    """Prints and writes docs/results/views.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    images = MemoryImages(
        torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator),
        torch.zeros(IMAGES, dtype=torch.int64),
    )
    result: dict[str, dict[str, float]] = {}
    for batch in (64, 512):
        samples = torch.randint(0, IMAGES, (64, batch), generator=generator)
        view = torch.zeros(batch, dtype=torch.int64)

        def show(augment: Augment, samples: torch.Tensor = samples, view: torch.Tensor = view):
            return lambda number: images.view(samples[number % 64], view, augment)

        seconds = interleaved({kind: show(augment) for kind, augment in KINDS.items()}, rounds, repeats=4)
        for kind, times in seconds.items():
            row = {"median": batch / statistics.median(times), "best": batch / min(times)}
            result[f"{kind}, batch {batch}"] = {name: round(value) for name, value in row.items()}
            print(f"{kind}, batch {batch}: {row['median']:,.0f} images/s (best {row['best']:,.0f})")
    print(write("views", {"rounds": rounds, "unit": "images per second, one core", "views": result}))


if __name__ == "__main__":
    main()
