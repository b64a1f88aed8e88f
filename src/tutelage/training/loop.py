"""The loop: one run from its recipe to its final weights. Stop it anywhere; the same call goes on from there."""

import logging
import math
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from tutelage import data, files, progress, rng
from tutelage.data.images import Images, Views
from tutelage.errors import Diverged, UserError
from tutelage.measure.classifier import measure, predict
from tutelage.methods.adapters import pairs_in_words, stages_read
from tutelage.models.tune import set_trained
from tutelage.outputs import Context
from tutelage.run import checkpoint, optim
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, environment, logged
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.teacher import embedded, lessons
from tutelage.teacher.answer import Teacher
from tutelage.training.distiller import Distiller
from tutelage.training.predictions import keep_val
from tutelage.training.student import save_student

log = logging.getLogger(__name__)

LOG_EVERY = 50
"""Steps between two readings of the losses: only there does the host wait for the device."""
LOWER = "lower fit.learning_rate or the term's weight, or set fit.clip_norm; the last good checkpoint is kept"


def train(
    recipe: Recipe, *, engine: Engine | None = None, runs: Path | str = "runs", data_root: Path | str | None = None
) -> Run:
    """Trains a recipe to its end, its teacher first where that is to be trained; does nothing where it is done.

    Args:
        recipe: The run in full.
        engine: Where it runs.
        runs: The folder of all runs.
        data_root: Where the data sets are; None: $TUTELAGE_DATA.

    Raises:
        UserError: anything a user can mend.
        KeyboardInterrupt: after Ctrl-C, once the state is saved.
    """
    engine, runs = engine or Engine(), Path(runs)
    if recipe.fit.batch_size % engine.devices:
        raise UserError(
            f"a batch of {recipe.fit.batch_size} images cannot be shared equally by {engine.devices} devices",
            "choose a fit.batch_size that engine.devices divides: every image then counts the same",
        )
    for own in recipe.of_teachers:
        train(own, engine=engine, runs=runs, data_root=data_root)
    run = Run.of(recipe, runs)
    damage = run.damage() if run.done else None
    with files.locked(run.path / "lock") as alone:
        if run.done and damage is None:
            if alone:
                files.sweep(run.path)
            return run
        if not alone:
            raise UserError(f"another process trains {run.path}", "wait for it, or change the recipe")
        files.sweep(run.path)
        if damage is not None:
            log.warning("%s; it is made again from the run's last checkpoint", damage.message)
            (run.path / "DONE").unlink(missing_ok=True)
        with logged(run):
            _launch(recipe, engine, run, runs, data_root)
    return run


def _launch(recipe: Recipe, engine: Engine, run: Run, runs: Path, data_root: Path | str | None) -> None:
    fabric = engine.fabric()
    if engine.devices > 1:
        # Fabric walks what it hands to a process and refuses frozen dataclasses: the run's folder says it all.
        told = (str(run.path), asdict(engine), str(runs), None if data_root is None else str(data_root))
        fabric.launch(cast(Any, _train_in_a_process), *told)
    else:
        _train(fabric, recipe, engine, run, runs, data_root)


def _train_in_a_process(fabric: Fabric, path: str, engine: dict[str, Any], runs: str, data_root: str | None) -> None:
    run = Run.open(Path(path))
    _train(fabric, run.recipe, Engine(**engine), run, Path(runs), data_root)


def _train(fabric: Fabric, recipe: Recipe, engine: Engine, run: Run, runs: Path, data_root: Path | str | None) -> None:
    if engine.threads:
        torch.set_num_threads(engine.threads)
    rank, world = fabric.global_rank, fabric.world_size
    dataset = data.load(recipe.data, data_root)
    plan = Plan(len(dataset.train), recipe.views, recipe.seed, recipe.fit)
    lesson = lessons.prepare(recipe, plan, dataset, runs, fabric.device, rank=rank, world=world, barrier=fabric.barrier)
    student = lessons.build_for(recipe.student, dataset, recipe.seed, learns=True)
    with rng.seeded(recipe.seed, "adapters"):
        adapters = recipe.method.adapters(student.sizes(), lesson.sizes, len(dataset.train))
    for live in lesson.live:
        live.stages = stages_read(recipe.method.needs, adapters, lesson.sizes)
    if rank == 0:
        for line in pairs_in_words(adapters, student.sizes(), lesson.sizes):
            log.info(line)
    images: Images = dataset.train.to(fabric.device)
    val: Images = dataset.val
    paid = lesson.paid
    learner: Any = student
    if lessons.embeddings_will_do(recipe):
        # The backbone is frozen: its embeddings are looked up, and only the head is in the loop.
        learner = embedded.HeadOnly(student.to(fabric.device))
        name = recipe.student.name
        images, passes = embedded.embed(
            student, name, dataset.train, recipe.augment, plan.views_used, runs, rank=rank, world=world
        )
        val, val_passes = embedded.embed(student, name, dataset.val, embedded.PLAIN, (0,), runs, rank=rank, world=world)
        images = images.to(fabric.device)
        paid += passes + val_passes
        fabric.barrier()
    distiller = Distiller(learner, recipe.method, adapters).to(memory_format=torch.channels_last)
    set_trained(student, recipe.tune)
    average = optim.averaged(distiller, recipe.fit.ema).to(fabric.device) if recipe.fit.ema else None
    optimizer = optim.optimizer(recipe.fit, distiller)
    compiled = cast(Any, torch.compile(distiller)) if engine.compile else distiller
    module, optimizer = fabric.setup(compiled, optimizer)

    kept: dict[str, Any] = {"student": student.network, "adapters": adapters}
    if average is not None:
        kept["average"] = average
    state: dict[str, Any] = {"seconds": 0.0, "paid": 0} | checkpoint.load_latest(
        run.checkpoints, kept, optimizer, of=run.title
    )
    state["paid"] += paid
    book = Book(run, plan, state, rank)
    if rank == 0:
        log.info("%s: step %d of %d on %s", recipe.name, state["step"], plan.steps, fabric.device)
    result: Any = average.module if average is not None else distiller

    def save(step: int) -> None:
        book.read()
        if rank == 0:
            beside = tuple(run.path.glob("metrics.jsonl"))
            checkpoint.save(run.checkpoints, step, kept, optimizer, book.state, of=run.title, beside=beside)

    if rank == 0:
        run.keep("environment", environment(engine))
        run.forget_after(state["step"])
    steps = range(state["step"], plan.steps)
    addresses = (plan.addresses(step, rank, world) for step in steps)
    shown = images.stream(addresses, recipe.augment, engine.workers)
    take_step = Step(fabric, recipe, plan, images.labels, lesson.teacher, module, optimizer)
    what, logits = f"training {recipe.name}", None
    with stopping() as stop, progress.advancing(what, plan.steps * recipe.fit.batch_size, done=book.images) as advance:
        for step, views in zip(steps, shown, strict=True):
            terms = take_step(step, views)
            if average is not None:
                average.update_parameters(distiller)
            book.note(step, terms)
            advance(recipe.fit.batch_size)
            if (step + 1) % plan.steps_per_epoch == 0:
                book.write(step + 1)
                deployed = recipe.method.deployed(result.student, result.adapters)
                logits = predict(deployed, val, fabric=fabric, what="validation")
                book.validated(step + 1, measure(logits, val.labels))
                set_trained(student, recipe.tune)
                save(step + 1)
            if stop():
                save(step + 1)
                raise KeyboardInterrupt(f"stopped after step {step + 1} of {plan.steps}")

    for teacher in lesson.live:
        teacher.check_frozen()
    fabric.barrier()
    if rank == 0:
        log.info("%s: done, val %.2f %%, best epoch %.2f %%", recipe.name, *(100 * top1 for top1 in book.val_top1))
        if isinstance(learner, embedded.HeadOnly):
            learner.load_state_dict(result.student.state_dict())
            result.student = student
        save_student(run, recipe.method.deployed(result.student, result.adapters), dataset, lesson.sizes)
        if val is dataset.val:
            if logits is None:  # the last step was made by an earlier process
                deployed = recipe.method.deployed(result.student, result.adapters)
                logits = predict(deployed, val, what="validation")
            keep_val(run, logits, val.labels)
        images_seen = plan.steps * recipe.fit.batch_size
        run.keep("cost", book.cost(saved=images_seen * len(lesson.caches)))
        for cache in lesson.caches:
            cache.used(recipe.name, images_seen)
        run.finish(plan.steps)
    fabric.barrier()


@dataclass(frozen=True)
class Step:
    """One training step, from addresses to new weights; no element of it depends on what happened before."""

    fabric: Fabric
    recipe: Recipe
    plan: Plan
    labels: Tensor
    """Of the training split."""
    teacher: Teacher
    module: Any
    """The distiller as Fabric has set it up."""
    optimizer: torch.optim.Optimizer

    def __call__(self, step: int, views: Views) -> dict[str, Tensor]:
        """The method's terms on the step's views, before the weights moved."""
        fabric, recipe, labels = self.fabric, self.recipe, self.labels
        rank, world = fabric.global_rank, fabric.world_size
        addresses = self.plan.addresses(step, rank, world)
        sample = addresses[0].to(fabric.device)
        pixels, partner, partner_share = views
        partner_labels = None if partner is None else labels[partner]
        context = Context(labels[sample], sample, self.plan.epoch(step), partner_labels, partner_share)
        answer = self.teacher.answer(pixels, *addresses)  # a cache reads on the host: nobody waits for the device
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate(step)
        torch.default_generator.manual_seed(rng.integer(recipe.seed, "step", step, rank))
        terms = self.module(pixels, answer, context)
        fabric.backward(sum(terms.values()))
        if recipe.fit.clip_norm:
            fabric.clip_gradients(self.module, self.optimizer, max_norm=recipe.fit.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return terms


class Book:
    """What is written down while a run goes on: losses, validation, time. The host reads losses now and then."""

    def __init__(self, run: Run, plan: Plan, state: dict[str, Any], rank: int):
        self.run, self.plan, self.rank = run, plan, rank
        self.state = {key: value for key, value in state.items() if key != "step"}
        self.images = state["step"] * plan.fit.batch_size
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []
        self._since = time.monotonic()

    @property
    def val_top1(self) -> tuple[float, float]:
        """After the last epoch, and after the best."""
        return self.state["last"], self.state["best"]["top1"]

    def note(self, step: int, terms: dict[str, Tensor]) -> None:
        """Keeps the losses of a step until the next reading."""
        self._waiting.append((step, {name: term.detach() for name, term in terms.items()}))
        if (step + 1) % LOG_EVERY == 0:
            self.write(step + 1)

    def write(self, step: int) -> None:
        """Writes down the mean losses of the steps since the last writing, also of those before an interruption."""
        self.read()
        if "sums" not in self.state:
            return
        sums, steps = self.state.pop("sums"), self.state.pop("summed")
        if self.rank == 0:
            means = {name: total / steps for name, total in sums.items()}
            self.run.log(step, "train", {"loss": sum(means.values()), **means})

    def read(self) -> None:
        """Fetches the losses noted since the last reading.

        Raises:
            Diverged: one is not finite; names step and term.
        """
        now = time.monotonic()
        self.state["seconds"] += now - self._since
        self._since = now
        if not self._waiting:
            return
        names = list(self._waiting[0][1])
        values = torch.stack([torch.stack([terms[name] for name in names]) for _, terms in self._waiting]).cpu()
        if not values.isfinite().all():
            row, column = (~values.isfinite()).nonzero()[0].tolist()
            raise Diverged(
                f"the loss is not finite: term {names[column]} at step {self._waiting[row][0]} of {self.run.path}",
                LOWER,
            )
        self._waiting.clear()
        # One after the other, so that the sums do not depend on where the readings were.
        sums = self.state.setdefault("sums", dict.fromkeys(names, 0.0))
        for row in values.tolist():
            for name, value in zip(names, row, strict=True):
                sums[name] += value
        self.state["summed"] = self.state.get("summed", 0) + len(values)

    def validated(self, step: int, measured: dict[str, Any]) -> None:
        """Writes down the measures on the validation split after an epoch.

        Raises:
            Diverged: the last step before it broke the weights, though its own loss was finite.
        """
        if not math.isfinite(measured["nll"]):
            raise Diverged(f"the weights are not finite after step {step - 1} of {self.run.path}", LOWER)
        best = self.state.get("best")
        self.state["last"] = measured["top1"]
        if best is None or measured["top1"] > best["top1"]:
            self.state["best"] = {"top1": measured["top1"], "epoch": round(self.plan.epoch(step))}
        if self.rank == 0:
            self.run.log(step, "val", {name: measured[name] for name in ("top1", "nll", "ece")})

    def cost(self, saved: int) -> dict[str, Any]:
        """Seconds, speed, and teacher passes."""
        images = self.plan.steps * self.plan.fit.batch_size
        return {
            "seconds": round(self.state["seconds"], 2),
            "images": images,
            "images_per_second": round(images / max(self.state["seconds"], 1e-9), 1),
            "teacher_passes_paid": self.state["paid"],
            "teacher_passes_saved": saved,
            "best_val": self.state.get("best"),
        }


@contextmanager
def stopping() -> Generator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second Ctrl-C stops at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        progress.say("stopping after this step; Ctrl-C again to stop at once")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread: the caller handles signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
