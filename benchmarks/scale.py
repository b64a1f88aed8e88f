"""Whether anything grows with the number of images or of views: reading answers, preparing a batch, memory, opening.

The answers are made up and written as shards without a teacher, 1,000 classes in float16: 2.5 GB at ImageNet's size,
in a temporary folder that is removed afterwards. They are read from the system's page cache.

    python benchmarks/scale.py [--samples 10000 100000 1280000] [--rounds 100] [--folder DIR]
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from _common import interleaved, made_up_cache, milliseconds, random_images, write
from tutelage import rng
from tutelage.data.augment import Augment
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.teacher.cache import TeacherCache

CLASSES, BATCH, READ, SIDE = 1000, 64, 512, 8
VIEWS, VIEW_SAMPLES, VIEW_CLASSES = 240, 50_000, 10


def own_memory_mib() -> float:
    """Memory of this process that is not the page cache's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024, 1)


def batches(samples: int, count: int) -> torch.Tensor:
    """Random positions, a row a batch."""
    return torch.randint(0, samples, (count, READ), generator=torch.Generator().manual_seed(0))


def reader(cache: TeacherCache) -> Callable[[int], Any]:
    """Reads a random batch of rows."""
    chosen, view = batches(cache.samples, 256), torch.zeros(READ, dtype=torch.int64)
    return lambda number: cache.rows("logits", chosen[number % 256], view)


def preparer(cache: TeacherCache) -> Callable[[int], Any]:
    """What a training step does before the networks: addresses, views, labels, rows; of small images."""
    images = random_images(cache.samples, CLASSES, SIDE)
    plan, augment = Plan(cache.samples, 1, 0, Fit(epochs=1, batch_size=BATCH)), Augment(crop_padding=1)

    def prepare(number: int) -> Any:
        sample, view = plan.addresses(number % plan.steps)
        return images.view(sample, view, augment), images.labels[sample], cache.rows("logits", sample, view)

    return prepare


def over_samples(root: Path, sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """One row for each number of images."""
    rows, reads, steps = [], {}, {}
    for samples in sizes:
        begun = time.perf_counter()
        cache = made_up_cache(root, samples, 1, {"logits": CLASSES})
        row: dict[str, Any] = {
            "samples": samples,
            "bytes": cache.files.size_bytes,
            "write_s": time.perf_counter() - begun,
        }
        begun = time.perf_counter()
        reader(cache)(0)
        row["first_read_s"] = time.perf_counter() - begun  # every file is compared with its checksum once
        begun = time.perf_counter()
        rng.permutation(0, 1, samples)
        row["order_of_an_epoch_s"] = time.perf_counter() - begun
        rows.append({key: round(value, 4) for key, value in row.items()})
        reads[str(samples)], steps[str(samples)] = reader(cache), preparer(cache)
    for read in reads.values():
        for number in range(256):
            read(number)
    before = own_memory_mib()
    read_s = interleaved(reads, rounds)
    grown = own_memory_mib() - before
    # One after the other: a process remembers the order of two epochs, and this would be three plans in turn.
    step_s = {name: interleaved({name: prepare}, rounds)[name] for name, prepare in steps.items()}
    for row in rows:
        name = str(row["samples"])
        row[f"read_{READ}_rows"] = milliseconds(read_s[name])
        row[f"prepare_{BATCH}_images"] = milliseconds(step_s[name])
        # The order of an epoch is paid once in as many steps as it has.
        row["order_per_step_ms"] = round(1e3 * row["order_of_an_epoch_s"] / (row["samples"] // BATCH), 4)
        print(
            f"{row['samples']:>9,} images: {READ} rows {row[f'read_{READ}_rows']['median_ms']} ms, batch of {BATCH} "
            f"prepared in {row[f'prepare_{BATCH}_images']['median_ms']} ms + {row['order_per_step_ms']} ms for the "
            f"order, first read {row['first_read_s']:.2f} s",
            flush=True,
        )
    print(f"memory grew by {grown:.1f} MiB over {(rounds + 2) * len(sizes)} batches of {READ} rows")
    return [row | {"memory_grown_mib": round(grown, 1)} for row in rows]


def over_views(root: Path, rounds: int) -> dict[str, Any]:
    """Opening a cache of many views, and reading from one or from all of them."""
    made = made_up_cache(root, VIEW_SAMPLES, VIEWS, {"logits": VIEW_CLASSES})

    def opened() -> TeacherCache:
        cache = TeacherCache.open(made.folder)
        assert not cache.files.missing(range(VIEWS), ["logits"])
        return cache

    opening = interleaved({"open": lambda number: opened()}, min(rounds, 20))["open"]
    cache, chosen = opened(), batches(VIEW_SAMPLES, 256)
    before, memory = own_memory_mib(), []
    reads: dict[str, Callable[[int], Any]] = {
        "one view": lambda number: cache.rows("logits", chosen[number % 256], torch.zeros(READ, dtype=torch.int64)),
        "a view a batch": lambda number: cache.rows(
            "logits", chosen[number % 256], torch.full((READ,), number % VIEWS)
        ),
    }
    for number in range(VIEWS):
        reads["a view a batch"](number)
        memory.append(own_memory_mib())
    seconds = interleaved(reads, rounds)
    result = {
        "samples": VIEW_SAMPLES,
        "views": VIEWS,
        "files": VIEWS * len(range(0, VIEW_SAMPLES, 8192)),
        "open": milliseconds(opening),
        f"read_{READ}_rows": {name: milliseconds(times) for name, times in seconds.items()},
        "memory_grown_mib": round(memory[-1] - before, 1),
    }
    print(f"{VIEWS} views of {VIEW_SAMPLES:,} images: opened and looked through in {result['open']['median_ms']} ms")
    print(f"{READ} rows, {result[f'read_{READ}_rows']}; memory grew by {result['memory_grown_mib']} MiB")
    return result


def main() -> None:
    """Prints and writes docs/results/scale.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", nargs="+", type=int, default=[10_000, 100_000, 1_280_000])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made; 3 GB are needed")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        free, needed = shutil.disk_usage(folder).free, 2 * CLASSES * sum(chosen.samples) + 4e8
        if free < needed:
            raise SystemExit(f"{needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} are free: --folder")
        views = over_views(Path(folder), chosen.rounds)
        sizes = over_samples(Path(folder), chosen.samples, chosen.rounds)
    print(write("scale", {"classes": CLASSES, "sizes": sizes, "many_views": views}))


if __name__ == "__main__":
    main()
