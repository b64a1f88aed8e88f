"""From a recipe's teacher to something that answers: weights found, checked, and its answers paid once."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32
from torch import Tensor

from tutelage import progress
from tutelage.cache import CachedTeacher, TeacherCache, identity
from tutelage.data.augment import Augment
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.models.building import build
from tutelage.models.count import macs
from tutelage.models.tap import Tapped
from tutelage.outputs import Sizes
from tutelage.plan import Plan
from tutelage.recipe import Recipe, TeacherSpec, weights_file
from tutelage.run import Run
from tutelage.teacher import LiveTeacher, NoTeacher, Teacher, frozen

log = logging.getLogger(__name__)

CACHEABLE = frozenset({"logits", "embedding", "head"})
"""What a cache can hold; feature maps would be too large."""


class Lesson(NamedTuple):
    """A teacher ready to answer, and what it cost to get there."""

    teacher: Teacher
    sizes: Sizes
    paid: int = 0
    """Teacher passes made now: images."""
    cache: TeacherCache | None = None


def prepare(
    recipe: Recipe,
    plan: Plan,
    dataset: DataSet,
    runs: Path,
    device: Any = "cpu",
    *,
    rank: int = 0,
    world: int = 1,
    barrier: Callable[[], Any] = lambda: None,
) -> Lesson:
    """The teacher of a run, its answers to every view the run will see on disk where a cache can hold them.

    Args:
        recipe: The run.
        plan: Its plan: which views.
        dataset: Its images.
        runs: The folder of all runs; the caches are in `teacher-cache` there.
        device: Where the teacher computes.
        rank: This process ...
        world: ... of so many, which share the filling.
        barrier: Waits for all of them.

    Raises:
        UserError: weights that are not there or do not fit, another number of classes, answers that drifted.
    """
    if recipe.teacher is None:
        return Lesson(NoTeacher(), Sizes(classes=0))
    network = load_teacher(recipe, dataset, runs).to(device)
    sizes = network.sizes()
    needs = recipe.method.needs
    if recipe.teacher.live or not needs <= CACHEABLE:
        if rank == 0:
            passes = plan.steps_per_epoch * recipe.fit.batch_size
            each = macs(network, (1, *dataset.train.shape))
            log.info(
                "live teacher %s: %s passes an epoch of %s MACs each",
                recipe.teacher.model.name,
                f"{passes:,}",
                f"{each:,}",
            )
        return Lesson(LiveTeacher(network, needs), sizes)
    cache = open_cache(recipe, network, dataset, runs)
    fields = fields_of(recipe)
    widths = {"logits": sizes.classes, "embedding": sizes.embedding or 0}
    needed = cache.bytes_needed(plan.views_used, {field: widths[field] for field in fields})
    if needed and rank == 0:
        progress.say(
            f"teacher's answers: {len(plan.views_used)} views of {len(dataset.train):,} images, "
            f"{progress.size(needed)} to add in {cache.folder}"
        )
    paid = cache.fill(network, dataset.train, recipe.augment, plan.views_used, fields, rank=rank, world=world)
    barrier()
    cache.verify(network, dataset.train, recipe.augment, rows=8, views=plan.views_used[:2])
    return Lesson(CachedTeacher(cache, fields), sizes, paid, cache)


def on_val(recipe: Recipe, network: Tapped, dataset: DataSet, runs: Path) -> Float32[Tensor, "M C"]:
    """The teacher's logits on the validation images, cached like every other answer: views that nothing changes."""
    assert recipe.teacher is not None
    plain = Augment(crop_padding=0, flip="none")
    manifest = identity(network, recipe.teacher.model.name, dataset.val, plain, "fp32", "float32")
    cache = TeacherCache(Path(runs) / "teacher-cache", manifest | {"data": f"{recipe.data.name} (val)"})
    cache.fill(network, dataset.val, plain, [0])
    if (Path(runs) / recipe.name).exists():
        cache.used(recipe.name, len(dataset.val))
    position = torch.arange(len(dataset.val))
    return cache.answers(position, torch.zeros_like(position)).logits


def fields_of(recipe: Recipe) -> tuple[str, ...]:
    """What the cache must hold for a recipe's method."""
    return ("logits", *sorted(recipe.method.needs & {"embedding"}))


def open_cache(recipe: Recipe, network: Tapped, dataset: DataSet, runs: Path) -> TeacherCache:
    """The cache of a recipe's teacher on its images."""
    assert recipe.teacher is not None
    name = recipe.teacher.model.name
    manifest = identity(network, name, dataset.train, recipe.augment, "fp32", recipe.teacher.storage)
    return TeacherCache(Path(runs) / "teacher-cache", manifest | {"data": recipe.data.name})


def load_teacher(recipe: Recipe, dataset: DataSet, runs: Path) -> Tapped:
    """The teacher's network with its weights, frozen.

    Raises:
        UserError: no weights, weights of another network, or another number of classes.
    """
    assert recipe.teacher is not None
    network = build_for(teacher_model(recipe, runs), dataset, recipe.teacher.seed)
    return frozen(network)


def teacher_model(recipe: Recipe, runs: Path) -> Model:
    """The teacher's network with the file of its final weights, where it was trained first or is a run."""
    assert recipe.teacher is not None
    spec: TeacherSpec = recipe.teacher
    own = recipe.of_teacher
    if own is not None:
        run = Run(Path(runs) / own.name)
        if not run.done:
            raise UserError(f"the teacher's run {run.path} is not finished", "tutelage distill trains it first")
        return dataclasses.replace(spec.model, weights=str(run.weights))
    if not spec.model.weights:
        raise UserError(
            f"the teacher {spec.model.name} has no weights",
            'give --teacher a file of weights or a run\'s folder, or set teacher.tune = "full" to train it first',
        )
    if Path(spec.model.weights).is_dir():
        run = Run.open(Path(spec.model.weights))
        return dataclasses.replace(run.recipe.student, weights=str(weights_file(str(run.path))))
    return spec.model


def build_for(model: Model, dataset: DataSet, seed: int, *, learns: bool = False) -> Tapped:
    """A network for the images of a data set.

    Args:
        model: What the recipe says.
        dataset: Its images and classes.
        seed: Of the initial weights.
        learns: It is going to be trained: a final layer of its weights for other classes may start anew.

    Raises:
        UserError: it cannot be built, or answers with another number of classes.
    """
    channels, height, _ = dataset.train.shape
    network = build(
        model,
        classes=len(dataset.classes),
        channels=channels,
        size=height,
        mean=dataset.mean,
        std=dataset.std,
        seed=seed,
        replace_head=learns,
    )
    classes = network.sizes().classes
    if classes != len(dataset.classes):
        raise UserError(
            f"{model.name} answers with {classes} classes, {dataset.name} has {len(dataset.classes)}",
            "a network of your own takes `classes` as an argument; weights for other classes need their head replaced",
        )
    return network
