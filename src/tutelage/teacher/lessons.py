"""Prepares the teachers of a recipe: finds and checks their weights, and has their answers paid once."""

import logging
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32
from torch import Tensor

from tutelage import progress
from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.methods.finding import method_words, temperatures
from tutelage.models.count import macs
from tutelage.models.tap import Tapped
from tutelage.outputs import GRID, Sizes
from tutelage.run.plan import views_used
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import embedded
from tutelage.teacher.answer import Ensemble, LiveTeacher, NoTeacher, Teacher, mean_logits
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cached import CachedTeacher
from tutelage.teacher.cachefiles import passes_each
from tutelage.teacher.crossfit import CrossFitted, answered_by
from tutelage.teacher.identity import identity
from tutelage.teacher.members import Member, load_member, trained_by
from tutelage.teacher.opening import open_for
from tutelage.teacher.paired import PairedTeacher, one_view_each

log = logging.getLogger(__name__)

CACHEABLE = frozenset({"logits", "embedding", "regions", "rotations", "head"})
"""What a cache can hold; feature maps would be too large."""


class Lesson(NamedTuple):
    """A teacher ready to answer, and what it cost to get there."""

    teacher: Teacher
    sizes: Sizes
    paid: int = 0
    """Teacher passes made now: images."""
    caches: tuple[TeacherCache, ...] = ()
    """The caches of the members that answer from one."""
    live: tuple[LiveTeacher, ...] = ()
    """The members that answer themselves."""


def prepare(recipe: Recipe, dataset: DataSet, workspace: Workspace, process: Process) -> Lesson:
    """The teacher of a run, its answers to every view the run will see on disk where a cache can hold them.

    Of an ensemble every member has a cache of its own, shared with the runs that it teaches alone; so has every network
    of a cross-fitted teacher, of the images that it answers.

    Args:
        recipe: The run.
        dataset: Its images.
        workspace: Where runs and caches are.
        process: Where the teacher computes; several share the filling.

    Raises:
        UserError: weights that are not there or do not fit, another number of classes, answers that drifted.
    """
    lessons = [
        _of_member(recipe, spec, answered_by(recipe, spec, dataset), workspace, process) for spec in recipe.taught_by
    ]
    if not lessons:
        return Lesson(NoTeacher(), Sizes(classes=0))
    if len(lessons) == 1:
        return lessons[0]
    teachers = [lesson.teacher for lesson in lessons]
    return Lesson(
        CrossFitted(teachers, dataset.folds(recipe.cross_fitted))
        if recipe.cross_fitted
        else Ensemble(teachers, temperature(recipe)),
        Sizes(classes=len(dataset.classes)),
        sum(lesson.paid for lesson in lessons),
        tuple(cache for lesson in lessons for cache in lesson.caches),
        tuple(live for lesson in lessons for live in lesson.live),
    )


def _of_member(recipe: Recipe, spec: TeacherSpec, dataset: DataSet, workspace: Workspace, process: Process) -> Lesson:
    member = load_member(recipe, spec, dataset, workspace)
    if cached(recipe, spec):
        return _cached_lesson(recipe, member, dataset, workspace, process)
    if spec.precision != "fp32":
        why = "teacher.live stores none" if spec.live else f"{method_words(recipe.method)} reads some that are not"
        raise UserError(
            f"teacher.precision = {spec.precision} is of answers that are stored, and {why}",
            "leave it out; a teacher that is asked at every step computes in engine.precision",
        )
    network = member.network.to(process.device)
    if process.first:
        passes = len(dataset.train) // recipe.fit.batch_size * recipe.fit.batch_size * passes_each(recipe.method.needs)
        each = macs(network, (1, *dataset.train.shape))
        log.info(
            "live teacher %s: %s passes an epoch of %s multiply-adds each",
            member.model.name,
            f"{passes:,}",
            f"{each:,}",
        )
    live = LiveTeacher(network, recipe.method.needs)
    return Lesson(live, network.sizes(), live=(live,))


def _cached_lesson(recipe: Recipe, member: Member, dataset: DataSet, workspace: Workspace, process: Process) -> Lesson:
    """The lesson of one teacher whose answers are stored, once every answer that the run needs is there."""
    if recipe.second_view:
        of_each = [
            _cached_lesson(each_view, member, dataset, workspace, process)
            for each_view in one_view_each(recipe, dataset.train)
        ]
        first, second = of_each
        caches = first.caches + second.caches
        return Lesson(PairedTeacher(first.teacher, second.teacher), first.sizes, first.paid + second.paid, caches)
    network = member.network.to(process.device)
    sizes, views = network.sizes(), views_used(recipe)
    cache = open_cache(recipe, member, dataset, workspace)
    needed = cache.bytes_needed(views, widths(recipe, sizes))
    if needed and process.first:
        progress.say(
            f"teacher's answers: {progress.counted(len(views), 'view')} of {len(dataset.train):,} images, "
            f"{progress.size(needed)} to add in {cache.folder}"
        )
    answerer, images = answering(recipe, member, dataset, workspace)
    answered = cache.fill(answerer, images.to(process.device), recipe.augment, views, fields_of(recipe), process)
    answered = sum(process.everyone(answered))
    _verify(cache, network, dataset, recipe, views, process)
    paid = answered if answerer is network else 0
    return Lesson(CachedTeacher(cache, fields_of(recipe)), sizes, paid, (cache,))


def fill_part(
    recipe: Recipe, dataset: DataSet, workspace: Workspace, device: Any, part: tuple[int, int]
) -> tuple[int, tuple[TeacherCache, ...]]:
    """Has a part of the answers that a run needs paid: of all blocks every n-th; another job sees to the others.

    Args:
        recipe: The run.
        dataset: Its images.
        workspace: Where the caches are.
        device: Where the teacher computes.
        part: (i, n): the i-th of n parts, from 1 on.

    Returns:
        Teacher passes made now, and the caches.
    """
    paid, caches, views, whole = 0, [], views_used(recipe), dataset
    seen = one_view_each(recipe, dataset.train)
    for recipe, spec in ((of_view, spec) for of_view in seen for spec in of_view.taught_by):
        if cached(recipe, spec):
            dataset = answered_by(recipe, spec, whole)
            member = load_member(recipe, spec, dataset, workspace)
            network = member.network.to(device)
            cache = open_cache(recipe, member, dataset, workspace)
            answerer, images = answering(recipe, member, dataset, workspace)
            process = Process(device, part[0] - 1, part[1])
            answered = cache.fill(answerer, images.to(device), recipe.augment, views, fields_of(recipe), process)
            cache.verify(network, dataset.train, recipe.augment, views=set(views) & set(cache.files.views()))
            paid += answered if answerer is network else 0
            caches.append(cache)
    return paid, tuple(caches)


def _verify(
    cache: TeacherCache, network: Tapped, dataset: DataSet, recipe: Recipe, views: tuple[int, ...], process: Process
) -> None:
    """Asks again for a few rows, in the first process for all: each would draw others, and might judge otherwise.

    Raises:
        UserError: in every process, where the answers have drifted.
    """
    drift: UserError | None = None
    if process.first:
        try:
            cache.verify(network, dataset.train, recipe.augment, views=views)
        except UserError as error:
            drift = error
    if process.everyone(int(drift is not None))[0]:
        raise drift or UserError(f"{cache.folder}: process 0 says what is wrong with it")


def cached(recipe: Recipe, spec: TeacherSpec) -> bool:
    """Whether a teacher's answers are stored, or it has to be asked at every step."""
    return not spec.live and recipe.method.needs <= CACHEABLE


def embeddings_will_do(recipe: Recipe) -> bool:
    """Whether nothing of a run but its head looks at pixels."""
    teacher_is_there = all(cached(recipe, spec) for spec in recipe.taught_by)
    student_is_simple = recipe.method.student_needs <= {"logits", "embedding"}
    one_view = recipe.augment.mix == "none" and not recipe.second_view
    return recipe.tune == "head" and one_view and teacher_is_there and student_is_simple


def answering(recipe: Recipe, member: Member, dataset: DataSet, workspace: Workspace) -> tuple[Any, Images]:
    """Who answers for a teacher, and about what: itself about images, or its head about the embeddings it learnt from.

    A head-tuned teacher's own training has paid for what its backbone says about the views that its student will see.
    """
    trained = trained_by(recipe, member.spec) if member.spec.precision == "fp32" else None  # embeddings are fp32's
    same_views = trained is not None and (trained.data.whole.identity, trained.augment) == (
        recipe.data.whole.identity,
        recipe.augment,
    )
    alone = not recipe.method.needs & {"regions", "rotations"}  # of which a head and embeddings know nothing
    if trained is None or not (alone and same_views and embeddings_will_do(trained)):
        return member.network, dataset.train
    cache = embedded.backbones(workspace.caches, member.network, trained.student.name, dataset.train, recipe.augment)
    return embedded.answering(cache, member.network, dataset.train, views_used(recipe))


def temperature(recipe: Recipe) -> float:
    """At which the method softens the teacher's logits: the lowest of a composition's, 1 where it does not."""
    return min(temperatures(recipe.method), default=1.0)


def on_val(recipe: Recipe, member: Member, dataset: DataSet, workspace: Workspace) -> Float32[Tensor, "M C"]:
    """A teacher's logits on the validation images, cached like every other answer: views that nothing changes."""
    plain = Augment(crop_padding=0, flip="none")
    manifest = identity(member.network, member.model.name, dataset.val, plain, "fp32", "float32")
    manifest |= {"data": f"{recipe.data.name} (val)"}
    cache = open_for(workspace.caches, manifest, member.network, dataset.val.shape)
    cache.fill(member.network, dataset.val, plain, (0,))
    reader = workspace.folder(recipe)
    if reader.exists():
        cache.files.used(reader.name, len(dataset.val))
    position = torch.arange(len(dataset.val))
    return cache.answers(position, torch.zeros_like(position)).logits


def all_on_val(recipe: Recipe, dataset: DataSet, workspace: Workspace) -> Float32[Tensor, "M C"] | None:
    """What those who teach a recipe say about the validation images, an ensemble as a classifier: averaged at T = 1."""
    members = (load_member(recipe, spec, dataset, workspace) for spec in recipe.taught_by)
    logits = [on_val(recipe, member, dataset, workspace) for member in members]
    return mean_logits(logits, 1.0) if logits else None


def fields_of(recipe: Recipe) -> tuple[str, ...]:
    """What the cache must hold for a recipe's method."""
    return ("logits", *sorted(recipe.method.needs & {"embedding", "regions", "rotations"}))


def widths(recipe: Recipe, sizes: Sizes) -> dict[str, int]:
    """Columns of what the cache must hold."""
    columns = {"logits": sizes.classes, "embedding": sizes.embedding or 0}
    columns |= {"regions": GRID**2 * sizes.classes, "rotations": 3 * sum(columns.values())}
    return {field: columns[field] for field in fields_of(recipe)}


def open_cache(recipe: Recipe, member: Member, dataset: DataSet, workspace: Workspace) -> TeacherCache:
    """The cache of one of a recipe's teachers on its images."""
    how = member.spec.precision, member.spec.storage
    manifest = identity(member.network, member.model.name, dataset.train, recipe.augment, *how)
    manifest |= {"data": recipe.data.name}
    return open_for(workspace.caches, manifest, member.network, dataset.train.shape)
