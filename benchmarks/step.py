"""What distillation costs a step: the whole warm cached step against the bare student step, interleaved.

The bare step is the student's forward, cross-entropy, backward and optimiser step on ready tensors of random pixels, in
channels_last: nothing can train the same student faster on this machine. The cached step is what `tutelage train` does:
addresses, views, cache rows, context, learning rate, the method's losses, backward, optimiser step, bookkeeping. The
teacher is there by the sizes of its answers alone, which are made up: no step asks it.

    python benchmarks/step.py [--pairs resnet56:resnet20] [--rounds 60] [--limit 40] [--compile default]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from _common import bare_step, in_words, interleaved, made_up_cache, milliseconds, network, random_images, ratio, write
from tutelage.data.memory import MemoryImages
from tutelage.methods import method_class
from tutelage.outputs import Sizes
from tutelage.run import optim
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cached import CachedTeacher
from tutelage.training.book import Book
from tutelage.training.distiller import Distiller
from tutelage.training.step import Step

PAIRS = ("resnet56:resnet20", "resnet32x4:resnet8x4", "resnet50_cifar:mobilenet_v2_05")
IMAGES = 10_000


def cached_step(
    student: str,
    method: str,
    taught_by: Sizes,
    images: MemoryImages,
    cache: TeacherCache,
    fit: Fit,
    folder: Path,
    fabric: Fabric,
    compiled: str = "",
) -> Callable[[int], Any]:
    """The step of `tutelage train` from cached answers, with its bookkeeping."""
    chosen, net = method_class(method)(), network(student)
    distiller = Distiller(net, chosen, chosen.adapters(net.sizes(), taught_by, len(images))).train()
    ready = torch.compile(distiller, mode=compiled) if compiled else distiller
    module, optimizer = fabric.setup(ready, optim.optimizer(fit, distiller))
    plan = Plan(len(images), 1, 0, fit)
    recipe = Recipe(teacher=TeacherSpec(), method=chosen, fit=fit, views=1)
    answers = CachedTeacher(cache, sorted(chosen.needs & {"logits", "embedding"}))
    held = images.to(fabric.device)
    step = Step(fabric, recipe, plan, held.labels, answers, module, optimizer)
    place = folder / f"{student} {method} {compiled}"
    place.mkdir()
    book = Book(Run(place), plan, {"step": 0, "seconds": 0.0})

    def run(number: int) -> None:
        (views,) = held.stream([plan.addresses(number % plan.steps)], recipe.augment)
        book.note(number, step(number % plan.steps, views))

    return run


def pair(
    teacher: str,
    student: str,
    methods: list[str],
    fit: Fit,
    rounds: int,
    limit_s: float,
    *,
    engine: Engine | None = None,
    samples: int = IMAGES,
    compiled: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Bare step and cached steps of one pair, interleaved.

    Args:
        teacher: Name of the network.
        student: Name of the network.
        methods: Names.
        fit: Batch size and optimiser.
        rounds: At most.
        limit_s: Seconds.
        engine: Device and precision; None: this process's CPU, float32.
        samples: Images there are.
        compiled: Modes of torch.compile in which the bare step and the first method are measured too.
    """
    fabric = (engine or Engine(device="cpu")).fabric()
    images, taught_by = random_images(samples), network(teacher).sizes()
    with tempfile.TemporaryDirectory() as folder:
        widths = {"logits": taught_by.classes, "embedding": taught_by.embedding or 0}
        cache = made_up_cache(Path(folder) / "caches", samples, 1, widths)
        common = (taught_by, images, cache, fit, Path(folder), fabric)
        contenders = {"bare": bare_step(network(student), images, fit, fabric)}
        contenders |= {name: cached_step(student, name, *common) for name in methods}
        for mode in compiled:
            contenders[f"bare, {mode}"] = bare_step(network(student), images, fit, fabric, mode)
            contenders[f"{methods[0]}, {mode}"] = cached_step(student, methods[0], *common, mode)
        seconds = interleaved(contenders, rounds, limit_s=limit_s)
    return {
        "teacher": teacher,
        "student": student,
        "steps": {name: milliseconds(times) for name, times in seconds.items()},
        "ratio_to_bare": {name: ratio(seconds, name, "bare") for name in seconds if name != "bare"},
    }


def main() -> None:
    """Prints and writes docs/results/step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), metavar="TEACHER:STUDENT")
    parser.add_argument("--methods", nargs="+", default=["kd", "dkd", "rkd"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--limit", type=float, default=40.0, help="seconds a pair")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compile", nargs="+", default=[], metavar="MODE", help="also compiled: a minute a mode")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    fit = Fit(epochs=1000, batch_size=chosen.batch)
    pairs = []
    for names in chosen.pairs:
        teacher, student = names.split(":")
        pairs.append(
            pair(teacher, student, chosen.methods, fit, chosen.rounds, chosen.limit, compiled=tuple(chosen.compile))
        )
        for name, values in pairs[-1]["ratio_to_bare"].items():
            print(f"{teacher} -> {student}, batch {chosen.batch}: {name} / bare = {in_words(values)}", flush=True)
    print(write("step", {"batch": chosen.batch, "classes": 100, "pairs": pairs}))


if __name__ == "__main__":
    main()
