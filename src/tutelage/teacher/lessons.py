"""From a recipe's teacher to something that answers: weights found, checked, and its answers paid once."""

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32
from torch import Tensor

from tutelage import progress, sealed
from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.models.building import build
from tutelage.models.count import macs
from tutelage.models.tap import Tapped
from tutelage.outputs import Sizes
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe, TeacherSpec, temperatures, weights_file
from tutelage.teacher import embedded
from tutelage.teacher.answer import Ensemble, LiveTeacher, NoTeacher, Teacher, frozen, mean_logits
from tutelage.teacher.cache import CachedTeacher, TeacherCache
from tutelage.teacher.opening import identity, open_for

log = logging.getLogger(__name__)

CACHEABLE = frozenset({"logits", "embedding", "head"})
"""What a cache can hold; feature maps would be too large."""


class Member(NamedTuple):
    """One teacher of a recipe, ready to be asked."""

    spec: TeacherSpec
    model: Model
    """With the file of its final weights, where it was trained first or is a run."""
    network: Tapped
    """Frozen."""


class Lesson(NamedTuple):
    """A teacher ready to answer, and what it cost to get there."""

    teacher: Teacher
    sizes: Sizes
    paid: int = 0
    """Teacher passes made now: images."""
    caches: tuple[TeacherCache, ...] = ()
    """Of the members that answer from one."""
    live: tuple[LiveTeacher, ...] = ()
    """The members that answer themselves."""


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

    Of an ensemble every member has a cache of its own, shared with the runs that it teaches alone.

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
    lessons = [
        _of_member(recipe, load_member(recipe, spec, dataset, runs), plan, dataset, runs, device, rank, world, barrier)
        for spec in recipe.taught_by
    ]
    if not lessons:
        return Lesson(NoTeacher(), Sizes(classes=0))
    if len(lessons) == 1:
        return lessons[0]
    return Lesson(
        Ensemble([lesson.teacher for lesson in lessons], temperature(recipe)),
        Sizes(classes=len(dataset.classes)),
        sum(lesson.paid for lesson in lessons),
        tuple(cache for lesson in lessons for cache in lesson.caches),
        tuple(live for lesson in lessons for live in lesson.live),
    )


def _of_member(
    recipe: Recipe,
    member: Member,
    plan: Plan,
    dataset: DataSet,
    runs: Path,
    device: Any,
    rank: int,
    world: int,
    barrier: Callable[[], Any],
) -> Lesson:
    network = member.network.to(device)
    sizes = network.sizes()
    if not cached(recipe, member.spec):
        if rank == 0:
            passes = plan.steps_per_epoch * recipe.fit.batch_size
            each = macs(network, (1, *dataset.train.shape))
            log.info(
                "live teacher %s: %s passes an epoch of %s MACs each", member.model.name, f"{passes:,}", f"{each:,}"
            )
        live = LiveTeacher(network, recipe.method.needs)
        return Lesson(live, sizes, live=(live,))
    cache = open_cache(recipe, member, dataset, runs)
    fields = fields_of(recipe)
    needed = cache.bytes_needed(plan.views_used, widths(recipe, sizes))
    if needed and rank == 0:
        progress.say(
            f"teacher's answers: {progress.counted(len(plan.views_used), 'view')} of {len(dataset.train):,} images, "
            f"{progress.size(needed)} to add in {cache.folder}"
        )
    asked, images = answering(recipe, member, dataset, plan, runs)
    answered = cache.fill(asked, images, recipe.augment, plan.views_used, fields, rank=rank, world=world)
    paid = answered if asked is network else 0
    barrier()
    cache.verify(network, dataset.train, recipe.augment, views=plan.views_used)
    return Lesson(CachedTeacher(cache, fields), sizes, paid, (cache,))


def cached(recipe: Recipe, spec: TeacherSpec) -> bool:
    """Whether a teacher's answers are stored, or it has to be asked at every step."""
    return not spec.live and recipe.method.needs <= CACHEABLE


def embeddings_will_do(recipe: Recipe) -> bool:
    """Whether nothing of a run but its head looks at pixels."""
    teacher_is_there = all(cached(recipe, spec) for spec in recipe.taught_by)
    student_is_simple = recipe.method.student_needs <= {"logits", "embedding"}
    return recipe.tune == "head" and recipe.augment.mix == "none" and teacher_is_there and student_is_simple


def answering(recipe: Recipe, member: Member, dataset: DataSet, plan: Plan, runs: Path) -> tuple[Any, Images]:
    """Who answers for a teacher, and about what: itself about images, or its head about the embeddings it learnt from.

    A head-tuned teacher's own training has paid for what its backbone says about the views that its student will see.
    """
    trained = _trained_by(recipe, member.spec)
    same_views = trained is not None and (trained.data.identity, trained.augment) == (
        recipe.data.identity,
        recipe.augment,
    )
    if trained is None or not same_views or not embeddings_will_do(trained):
        return member.network, dataset.train
    name = trained.student.name
    return embedded.answering(member.network, name, dataset.train, recipe.augment, plan.views_used, runs)


def _trained_by(recipe: Recipe, spec: TeacherSpec) -> Recipe | None:
    """The run that made a teacher's weights, where it is known."""
    folder = Path(spec.model.weights or "-")
    if spec.tune == "none" and (folder / "recipe.json").is_file():
        return Run.open(folder).recipe
    return recipe.training_of(spec)


def temperature(recipe: Recipe) -> float:
    """At which the method softens the teacher's logits: the lowest of a composition's, 1 where it does not."""
    return min(temperatures(recipe.method), default=1.0)


def on_val(recipe: Recipe, member: Member, dataset: DataSet, runs: Path) -> Float32[Tensor, "M C"]:
    """A teacher's logits on the validation images, cached like every other answer: views that nothing changes."""
    plain = Augment(crop_padding=0, flip="none")
    manifest = identity(member.network, member.model.name, dataset.val, plain, "fp32", "float32")
    manifest |= {"data": f"{recipe.data.name} (val)"}
    cache = open_for(Path(runs) / "teacher-cache", manifest, member.network, dataset.val.shape)
    cache.fill(member.network, dataset.val, plain, [0])
    reader = Run.at(recipe, runs).path
    if reader.exists():
        cache.used(reader.name, len(dataset.val))
    position = torch.arange(len(dataset.val))
    return cache.answers(position, torch.zeros_like(position)).logits


def all_on_val(recipe: Recipe, dataset: DataSet, runs: Path) -> Float32[Tensor, "M C"] | None:
    """What those who teach a recipe say about the validation images, an ensemble as a classifier: averaged at T = 1."""
    members = (load_member(recipe, spec, dataset, runs) for spec in recipe.taught_by)
    logits = [on_val(recipe, member, dataset, runs) for member in members]
    return mean_logits(logits, 1.0) if logits else None


def fields_of(recipe: Recipe) -> tuple[str, ...]:
    """What the cache must hold for a recipe's method."""
    return ("logits", *sorted(recipe.method.needs & {"embedding"}))


def widths(recipe: Recipe, sizes: Sizes) -> dict[str, int]:
    """Columns of what the cache must hold."""
    columns = {"logits": sizes.classes, "embedding": sizes.embedding or 0}
    return {field: columns[field] for field in fields_of(recipe)}


def open_cache(recipe: Recipe, member: Member, dataset: DataSet, runs: Path) -> TeacherCache:
    """The cache of one of a recipe's teachers on its images."""
    manifest = identity(member.network, member.model.name, dataset.train, recipe.augment, "fp32", member.spec.storage)
    manifest |= {"data": recipe.data.name}
    return open_for(Path(runs) / "teacher-cache", manifest, member.network, dataset.train.shape)


def load_member(recipe: Recipe, spec: TeacherSpec, dataset: DataSet, runs: Path) -> Member:
    """One of a recipe's teachers with its weights.

    Raises:
        UserError: no weights, weights of another network, other classes, or the same in another order.
    """
    model = teacher_model(recipe, spec, runs)
    network = build_for(model, dataset, spec.seed)
    check_order(model, network, dataset)
    return Member(spec, model, frozen(network))


def teacher_model(recipe: Recipe, spec: TeacherSpec, runs: Path) -> Model:
    """A teacher's network with the file of its final weights, where it was trained first or is a run."""
    own = recipe.training_of(spec)
    if own is not None:
        run = Run.at(own, runs)
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


def held_out(recipe: Recipe, spec: TeacherSpec) -> bool:
    """Whether a teacher was trained here without the validation images (what it began with may have seen them)."""
    folder = Path(spec.model.weights or "-")
    if spec.tune != "none" or not (folder / "recipe.json").is_file():
        return spec.tune != "none"
    # A part of the training images leaves the split of val as it is.
    trained_on = dataclasses.replace(Run.open(folder).recipe.data, part=recipe.data.part)
    return trained_on == recipe.data or trained_on.identity == recipe.data.identity


def known_classes(model: Model, network: Tapped) -> tuple[str, ...]:
    """The names of a network's classes in its order: in the weights' metadata or the card beside them; else empty."""
    said = network.metadata.get("classes", "")
    card = Path(model.weights or "-").with_name("card.json")
    if not said and card.is_file():
        return tuple(sealed.read_json(card).get("classes", ()))
    if said.startswith("["):
        return tuple(json.loads(said))
    return tuple(name.strip() for name in said.split(",") if name.strip())


def check_order(model: Model, network: Tapped, dataset: DataSet) -> None:
    """Refuses a network that knows the data set's classes under other numbers.

    Raises:
        UserError: names the first class that differs.
    """
    known = known_classes(model, network)
    if known == dataset.classes or sorted(known) != sorted(dataset.classes):
        return
    first = next(i for i, (one, other) in enumerate(zip(known, dataset.classes, strict=True)) if one != other)
    raise UserError(
        f"{model.name} has the classes of {dataset.name} in another order: class {first} is "
        f'"{known[first]}" to it and "{dataset.classes[first]}" in the data',
        'train its head anew for this order (teacher.tune = "head"), or put the data\'s classes in its order',
    )


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
    if Path(model.weights or "-").is_dir():
        model = dataclasses.replace(model, weights=str(weights_file(model.weights)))
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
    try:
        classes = network.sizes().classes
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise UserError(
            f"{model.name} fails on images of {channels} x {network.size} x {network.size}: "
            f"{str(error).strip().splitlines()[0]}",
            "let it resize them (model.size), or choose a network for images of this size",
        ) from error
    if classes != len(dataset.classes):
        raise UserError(
            f"{model.name} answers with {classes} classes, {dataset.name} has {len(dataset.classes)}",
            "a network of your own takes `classes` as an argument; weights for other classes need their head replaced",
        )
    return network
