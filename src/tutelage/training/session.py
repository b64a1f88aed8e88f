"""Sets up one run in one process, follows each of its steps, and hands over its results at the end."""

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tutelage import data, rng
from tutelage.data.images import Images
from tutelage.data.second import TwoViews, stronger
from tutelage.data.splits import DataSet
from tutelage.errors import Damaged, UserError
from tutelage.measure.classifier import measure, predict
from tutelage.methods.adapters import pairs_in_words, stages_read
from tutelage.models import Model
from tutelage.models.tap import Tapped
from tutelage.models.tune import set_trained
from tutelage.run import checkpoint, optim
from tutelage.run.conditions import conditions
from tutelage.run.folder import Run, environment
from tutelage.run.network import build_for
from tutelage.run.plan import Plan, views_used
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.teacher import embedded, lessons
from tutelage.teacher.cachefiles import passes_each
from tutelage.teacher.lessons import Lesson
from tutelage.training import graphs
from tutelage.training.averaging import measure_norms
from tutelage.training.book import Book
from tutelage.training.distiller import Distiller
from tutelage.training.predictions import keep_val
from tutelage.training.step import Step
from tutelage.training.student import save_student

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)


@dataclass
class Session:
    """The parts of one run."""

    run: Run
    recipe: Recipe
    dataset: DataSet
    plan: Plan
    lesson: Lesson
    student: Tapped
    """What is handed over; where the head alone learns from embeddings, `distiller.student` is that head."""
    distiller: Distiller
    average: Any
    """The averaged copy of the distiller that becomes the result; None where nothing is averaged."""
    images: Images
    """What the training steps see, on the device."""
    val: Images
    """What validation sees, on the device."""
    take_step: Step
    kept: dict[str, nn.Module]
    """What a checkpoint holds, by name."""
    book: Book
    save_every: float = math.inf
    """Minutes between two checkpoints within an epoch."""
    val_logits: Tensor | None = None
    """The answers on val after the last epoch, where this process has made them."""

    def __post_init__(self) -> None:
        self._saved_at = time.monotonic()

    def stepped(self, step: int, terms: dict[str, Tensor]) -> None:
        """Follows a step: the average moves, the losses are noted."""
        if self.average is not None:
            fit, steps = self.recipe.fit, self.plan.steps
            decay = optim.average_decay(fit, step, steps)
            # Until the average begins it is a copy, which nobody looks at before the epoch's end.
            if decay or optim.average_decay(fit, step + 1, steps) or self.plan.ends_epoch(step):
                optim.update_average(self.average.module, self.distiller, decay)
        self.book.note(step, terms)

    def validate(self, step: int) -> None:
        """Measures the result so far on val, after an epoch."""
        self.book.write(step)
        remeasured = self.recipe.fit.average and self.recipe.norms == "trained"
        if remeasured and optim.average_decay(self.recipe.fit, step - 1, self.plan.steps):
            epoch = round(self.plan.epoch(step)) - 1
            measure_norms(self._result.student, self.images, self.plan, epoch, self.recipe.augment)
        self.val_logits = predict(self._deployed, self.val, fabric=self.take_step.fabric, what="validation")
        self.book.validated(step, measure(self.val_logits, self.dataset.val.labels))
        set_trained(self.student, self.recipe.tune, self.recipe.norms)

    def agreed(self, stop: int) -> tuple[int, bool]:
        """The signal that one of the processes was sent, and whether the first finds that a checkpoint is due.

        Args:
            stop: The signal that this process was sent, 0: none.
        """
        due = time.monotonic() - self._saved_at > 60 * self.save_every
        numbers = self.take_step.process.everyone(2 * stop + due)
        return max(numbers) // 2, bool(numbers[0] % 2)

    def save(self, step: int) -> None:
        """Writes a checkpoint after so many steps."""
        self.book.read()
        if self.book.first:
            metrics = tuple(self.run.path.glob("metrics.jsonl"))
            scaler = _scaler(self.take_step.fabric)
            state = self.book.state | ({"scaler": scaler.state_dict()} if scaler else {})
            checkpoint.save(self.run.checkpoints, step, self.kept, self.take_step.optimizer, state, metrics)
        self._saved_at = time.monotonic()

    def hand_over(self) -> None:
        """Writes the final weights, what they answer on val, and what the run cost; then the run is done."""
        for teacher in self.lesson.live:
            teacher.check_frozen()
        process = self.take_step.process
        process.wait()
        if process.first:
            self._write_results()
        process.wait()

    def _write_results(self) -> None:
        run, result = self.run, self._result
        last, best = self.book.val_top1
        log.info("%s: done, val %.2f %%; after its best epoch %.2f %%", run.path.name, 100 * last, 100 * best)
        sees_pixels = not isinstance(result.student, embedded.HeadOnly)
        if not sees_pixels:
            # The averaged head, or the very same parameters, goes back under the backbone.
            self.distiller.student.load_state_dict(result.student.state_dict())
            result.student = self.student
        deployed = self._deployed
        save_student(run, deployed, self.dataset, self.lesson.sizes)
        if sees_pixels:
            if self.val_logits is None:  # the last step was made by an earlier process
                self.val_logits = predict(deployed, self.val, what="validation")
            keep_val(run, self.val_logits, self.dataset.val.labels)
        spared = self.plan.steps * self.recipe.fit.batch_size * passes_each(self.recipe.method.needs)
        run.keep("cost", self.book.cost(saved=spared * len(self.lesson.caches)))
        for cache in self.lesson.caches:
            cache.files.used(run.path.name, spared)
        run.finish(self.plan.steps)

    @property
    def _result(self) -> Any:
        """The distiller whose student is the result."""
        return self.distiller if self.average is None else self.average.module

    @property
    def _deployed(self) -> Any:
        result = self._result
        return self.recipe.method.deployed(result.student, result.adapters)


def set_up(fabric: "Fabric", run: Run, workspace: Workspace) -> Session:
    """Everything that a run needs before its next step: images, teacher, student, optimiser, the last checkpoint."""
    recipe, engine, process = run.recipe, workspace.engine, Process.of(fabric)
    dataset = data.load(recipe.data, workspace.data_root)
    plan = Plan.of(recipe, len(dataset.train))
    lesson = lessons.prepare(recipe, dataset, workspace, process)
    if engine.threads:
        torch.set_num_threads(engine.threads)
    student = build_for(_initial(recipe, workspace), dataset, recipe.seed, learns=True)
    adapters = _adapters(recipe, student, lesson, len(dataset.train), process)
    learner, images, val, paid = _seen(recipe, student, dataset, workspace, process)
    # Among images without a label the mean over those that have one is no mean of shares.
    whole = bool(recipe.method.claims.couples_batch or recipe.data.unlabeled)
    distiller = Distiller(learner, recipe.method, adapters, whole=whole).to(memory_format=torch.channels_last)
    set_trained(student, recipe.tune, recipe.norms)
    average = AveragedModel(distiller).to(fabric.device) if recipe.fit.ema or recipe.fit.average else None
    optimizer = optim.optimizer(recipe.fit, distiller)
    compiled = cast(Any, torch.compile(distiller)) if engine.compile else distiller
    module, optimizer = fabric.setup(compiled, optimizer)
    kept: dict[str, Any] = {"student": student.network, "adapters": adapters}
    if average is not None:
        kept["average"] = average
    state: dict[str, Any] = {"seconds": 0.0, "paid": 0}
    state |= checkpoint.load_latest(run.checkpoints, kept, optimizer)
    _check_alike(run, process, state["step"])
    if "scaler" in state and (scaler := _scaler(fabric)):
        scaler.load_state_dict(state.pop("scaler"))
    state["paid"] += lesson.paid + paid
    if process.first:
        log.info("%s: step %d of %d on %s", run.path.name, state["step"], plan.steps, fabric.device)
        _write_environment(run, environment(engine, process), gone_on=state["step"] > 0)
        run.forget_after(state["step"])
    take_step = Step(fabric, recipe, plan, images.labels, lesson.teacher, module, optimizer, engine.workers)
    take_step = graphs.recorded(take_step, images, lesson) if engine.graphs else take_step
    book = Book(run, plan, state, process)
    parts = (distiller, average, images, val, take_step, kept, book, engine.save_every)
    return Session(run, recipe, dataset, plan, lesson, student, *parts)


def _initial(recipe: Recipe, workspace: Workspace) -> Model:
    """The student as its training finds it: after its start where it has one."""
    if recipe.of_start is None:
        return recipe.student
    return replace(recipe.student, init="random", weights=str(workspace.folder(recipe.of_start)))


def _scaler(fabric: "Fabric") -> Any:
    """What keeps fp16's gradients from vanishing; its scale moves with the steps. None for other precisions."""
    return getattr(fabric.strategy.precision, "scaler", None)


def _check_alike(run: Run, process: Process, step: int) -> None:
    """Refuses processes that have found different checkpoints.

    Raises:
        UserError: they see different folders.
    """
    steps = process.everyone(step)
    if len(set(steps)) > 1:
        other = next(rank for rank, found in enumerate(steps) if found != steps[0])
        raise UserError(
            f"process 0 finds step {steps[0]} of {run.path}, process {other} finds step {steps[other]}",
            "choose a --runs that all nodes share",
        )


def seen_in_training(recipe: Recipe, dataset: DataSet) -> Images:
    """The training split as a recipe's steps see it: every image once, or in two views."""
    train = dataset.train
    return TwoViews(train, stronger(recipe.augment, train)) if recipe.second_view else train


def _write_environment(run: Run, now: dict[str, Any], *, gone_on: bool) -> None:
    """On what the run is computed, and on what else it was computed before it was stopped."""
    try:
        before = (run.result("environment") or {}) if gone_on else {}
    except Damaged as damaged:
        log.warning("%s; on what the run was computed before is not known", damaged.message)
        before = {}
    earlier = [conditions(before), *before.get("earlier", [])] if before else []
    differing = [conditions_before for conditions_before in earlier if conditions_before != conditions(now)]
    run.keep("environment", now | ({"earlier": differing} if differing else {}))


def _adapters(recipe: Recipe, student: Tapped, lesson: Lesson, samples: int, process: Process) -> nn.Module:
    """The method's adapters; live teachers learn how deep they are looked at."""
    with rng.seeded(recipe.seed, "adapters"):
        adapters = recipe.method.adapters(student.sizes(), lesson.sizes, samples)
    for live in lesson.live:
        live.stages = stages_read(recipe.method.needs, adapters, lesson.sizes)
    if process.first:
        for line in pairs_in_words(adapters, student.sizes(), lesson.sizes):
            log.info(line)
    return adapters


def _seen(
    recipe: Recipe, student: Tapped, dataset: DataSet, workspace: Workspace, process: Process
) -> tuple[nn.Module, Images, Images, int]:
    """What learns, what it sees in training (on the device) and on val, and the passes that were paid for that now.

    Where the backbone is frozen its embeddings are looked up, and only the head is in the loop.
    """
    if not lessons.embeddings_will_do(recipe):
        images = seen_in_training(recipe, dataset).to(process.device)
        return student, images, dataset.val.to(process.device), 0
    network, name, head = student.to(process.device), recipe.student.name, embedded.HeadOnly(student)
    views = views_used(recipe)
    of_train = embedded.backbones(workspace.caches, network, name, dataset.train, recipe.augment)
    of_val = embedded.backbones(workspace.caches, network, name, dataset.val, embedded.PLAIN)
    images, passes = embedded.embed(of_train, network, dataset.train, recipe.augment, views, process)
    val, val_passes = embedded.embed(of_val, network, dataset.val, embedded.PLAIN, (0,), process)
    return head, images.to(process.device), val.to(process.device), sum(process.everyone(passes + val_passes))
