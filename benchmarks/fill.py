"""What the teacher's answers cost: filling a cache against a bare loop of the same network over ready tensors.

The bare loop is `inference_mode`, channels_last, at the batch size that is best here, and nothing but the network.
Filling makes the views, asks, and writes checked files. Beside it, for the first network: what other batch sizes,
folding BatchNorm into the convolutions and `torch.compile` would give, and how far folded answers are from plain ones.

    python benchmarks/fill.py [--networks resnet56:512] [--rounds 30] [--limit 30] [--threads 0] [--compile]
"""

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from _common import in_words, interleaved, milliseconds, network, random_images, ratio, write
from tutelage.data.augment import Augment
from tutelage.models.tap import Tapped
from tutelage.teacher.answer import frozen
from tutelage.teacher.asking import FILL_BATCH
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.identity import identity

VARIANTS = ("batch 32", "batch 128", "batch 256", "folded")


def teacher_of(name: str) -> Tapped:
    """A frozen network of random weights whose BatchNorms have seen a batch."""
    net = network(name).train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        net(random_images(64).plain(torch.arange(64)))
    return frozen(net)


def measured(name: str, count: int, rounds: int, limit_s: float, variants: tuple[str, ...]) -> dict[str, Any]:
    """One network's numbers, on `count` images."""
    net, images = teacher_of(name), random_images(count)
    folded = copy.deepcopy(net)
    folded.network = fuse(net.network)
    pixels = images.plain(torch.arange(count)).contiguous(memory_format=torch.channels_last)

    def loop(network: nn.Module, batch: int) -> Callable[[int], None]:
        @torch.inference_mode()
        def ask(number: int) -> None:
            for part in pixels.split(batch):
                network(part)

        return ask

    with tempfile.TemporaryDirectory() as folder:
        cache = TeacherCache(Path(folder), identity(net, name, images, Augment(), "fp32", "float16"))
        contenders: dict[str, Callable[[int], Any]] = {
            "fill": lambda view: cache.fill(
                net, images, Augment(), [view]
            ),  # every call another view: nothing is there
            "bare": loop(net, FILL_BATCH),
        }
        for variant in variants:
            kind, _, batch = variant.partition(" ")
            network = {"batch": net, "folded": folded, "compiled": net}[kind]
            network = torch.compile(network) if kind == "compiled" else network
            contenders[variant] = loop(network, int(batch or FILL_BATCH))
        seconds = interleaved(contenders, rounds, limit_s=limit_s)
    with torch.inference_mode():
        plain, other = net(pixels).logits, folded(pixels).logits
    plain_loops = [loop for loop in seconds if loop == "bare" or loop.startswith("batch")]
    best = min(plain_loops, key=lambda loop: statistics.median(seconds[loop]))
    return {
        "network": name,
        "images": count,
        "best_bare": best,
        "an_image": {loop: milliseconds([t / count for t in times]) for loop, times in seconds.items()},
        "speed_of_fill_to_best_bare": ratio(seconds, best, "fill"),
        "time_to_bare": {loop: ratio(seconds, loop, "bare") for loop in variants},
        "folded_differs_by": float(f"{((plain - other).abs().max() / plain.abs().max()).item():.1e}"),
    }


def main() -> None:
    """Prints and writes docs/results/fill.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet56:512", "resnet32x4:128"], metavar="NAME:IMAGES")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds a network")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="also compiled: minutes of compilation")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    networks = []
    for named in chosen.networks:
        name, count = named.split(":")
        variants = VARIANTS + ("compiled",) * chosen.compile if named == chosen.networks[0] else ()
        networks.append(measured(name, int(count), chosen.rounds, chosen.limit, variants))
        row = networks[-1]
        print(f"{name}: speed of fill / best bare loop = {in_words(row['speed_of_fill_to_best_bare'])}")
        for loop, values in row["time_to_bare"].items():
            print(f"{name}: {loop} / bare at {FILL_BATCH} = {in_words(values)}", flush=True)
    print(write("fill", {"fill_batch": FILL_BATCH, "networks": networks}))


if __name__ == "__main__":
    main()
