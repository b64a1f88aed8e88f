"""What distillation costs a step: the whole warm cached step against the bare student step, interleaved.

The bare step is the student's forward, cross-entropy, backward and optimiser step on ready tensors of random pixels, in
channels_last: nothing can train the same student faster on this machine. The cached step is what `tutelage train` does:
addresses, views, cache rows, context, learning rate, the method's losses, backward, optimiser step, bookkeeping.

    python benchmarks/step.py [--student resnet20] [--batch 64] [--rounds 60] [--threads 0]
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

from _common import interleaved, milliseconds, ratio, write
from tutelage import optim
from tutelage.cache import CachedTeacher, TeacherCache, identity
from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages
from tutelage.distiller import Distiller
from tutelage.engine import Engine
from tutelage.methods import method_class
from tutelage.models import Model
from tutelage.models.building import build
from tutelage.optim import Fit
from tutelage.plan import Plan
from tutelage.recipe import Recipe, TeacherSpec
from tutelage.training import Step

IMAGES = 10_000
MEAN = STD = (0.5, 0.5, 0.5)


def network(name: str):
    """A CIFAR-size network with ten classes."""
    return build(Model(name), classes=10, channels=3, size=32, mean=MEAN, std=STD).to(memory_format=torch.channels_last)


def main() -> None:
    """Prints and writes docs/results/step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="resnet20")
    parser.add_argument("--teacher", default="resnet20")
    parser.add_argument("--methods", nargs="+", default=["kd"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    generator = torch.Generator().manual_seed(0)
    images = MemoryImages(
        torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator),
        torch.randint(0, 10, (IMAGES,), generator=generator),
    )
    fit = Fit(epochs=1000, batch_size=chosen.batch)
    plan = Plan(len(images), 1, 0, fit)
    augment = Augment()
    fabric = Engine(device="cpu").fabric()
    teacher = network(chosen.teacher)
    with tempfile.TemporaryDirectory() as folder:
        cache = TeacherCache(Path(folder), identity(teacher, chosen.teacher, images, augment, "fp32", "float16"))
        fields = ("logits", "embedding")
        cache.fill(teacher, images, augment, [0], fields)
        contenders = {"bare": bare(chosen.student, images, fit)}
        for name in chosen.methods:
            method = method_class(name)()
            student = network(chosen.student)
            adapters = method.adapters(student.sizes(), teacher.sizes(), len(images))
            distiller = Distiller(student, method, adapters).train()
            module, optimizer = fabric.setup(distiller, optim.optimizer(fit, distiller))
            recipe = Recipe(teacher=TeacherSpec(), method=method, augment=augment, fit=fit, views=1)
            answers = CachedTeacher(cache, sorted(method.needs & set(fields)))
            step = Step(fabric, recipe, plan, images, answers, module, optimizer)
            contenders[name] = lambda number, step=step: step(number % plan.steps)
        seconds = interleaved(contenders, chosen.rounds, repeats=2)
    result = {
        "student": chosen.student,
        "batch": chosen.batch,
        "rounds": chosen.rounds,
        "threads": torch.get_num_threads(),
    }
    result["steps"] = {name: milliseconds(times) for name, times in seconds.items()}
    result["ratio_to_bare"] = {name: ratio(seconds, name, "bare") for name in chosen.methods}
    for name, values in result["ratio_to_bare"].items():
        print(
            f"{chosen.student}, batch {chosen.batch}: {name} / bare = {values['median']:.3f} "
            f"({values['quartile_low']:.3f} to {values['quartile_high']:.3f}, {chosen.rounds} rounds)"
        )
    print(write("step", result))


def bare(student: str, images: MemoryImages, fit: Fit):
    """The bare student step on ready tensors."""
    net = network(student).train()
    optimizer = optim.optimizer(dataclasses.replace(fit, optimizer="sgd"), net)
    pixels = images.plain(torch.arange(fit.batch_size)).contiguous(memory_format=torch.channels_last)
    labels = images.labels[: fit.batch_size]

    def step(number: int) -> None:
        loss = F.cross_entropy(net(pixels).logits, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
