"""Trains one run from its recipe to its final weights. Stop it anywhere; the same call goes on from there."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tutelage import progress
from tutelage.data.images import Images, Views
from tutelage.data.turnstile import no_test_split
from tutelage.errors import UserError
from tutelage.interrupts import Stopped, stopping
from tutelage.run import dot
from tutelage.run.folder import Run
from tutelage.run.plan import check_batch, check_together
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training import graphs
from tutelage.training.arithmetic import decided
from tutelage.training.launch import in_all_processes
from tutelage.training.pace import Pace
from tutelage.training.session import set_up
from tutelage.training.step import Step

AHEAD = 32
"""How many steps before it is needed a row on disk is asked for."""

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@no_test_split("a training run")
def train(recipe: Recipe, workspace: Workspace | None = None) -> Run:
    """Trains a recipe to its end, first its teacher and its student's start where it has one; nothing if it is done.

    Args:
        recipe: The run in full.
        workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.

    Raises:
        Busy: another process trains it.
        UserError: anything else that a user can mend.
        KeyboardInterrupt: after Ctrl-C, once the state is saved.
    """
    workspace = workspace or Workspace()
    check_batch(recipe.fit, devices=workspace.engine.processes)
    check_together(recipe)
    dot.check(recipe.fit.optimizer, workspace.engine)
    if recipe.second_view and workspace.engine.processes > 1:
        raise UserError("second_view is for one device", "leave out engine.devices, or set second_view = false")
    for own in recipe.of_teachers:
        train(own, workspace)
    if recipe.of_start is not None:
        train(recipe.of_start, workspace)
    return in_all_processes(_train, recipe, workspace)


def _train(fabric: "Fabric", run: Run, workspace: Workspace) -> None:
    engine, threads = decided(run.recipe, run, workspace, steps_taken), torch.get_num_threads()
    if engine.precision != "fp32" and workspace.engine.precision == "auto":
        # Threads that were not asked for are set when the teacher has answered: its answers depend on nobody's choice.
        fabric = replace(workspace.engine, precision=engine.precision).fabric()
    try:
        _train_as_decided(fabric, run, replace(workspace, engine=engine))
    finally:
        torch.set_num_threads(threads)


def _train_as_decided(fabric: "Fabric", run: Run, workspace: Workspace) -> None:
    session = set_up(fabric, run, workspace)
    plan, book = session.plan, session.book
    with stopping() as stop:
        for step, terms in steps_taken(session.take_step, session.images, book.next_step, f"training {run.path.name}"):
            session.stepped(step, terms)
            if plan.ends_epoch(step):
                session.validate(step + 1)
            stopped, due = session.agreed(stop())
            if stopped or due or plan.ends_epoch(step):
                session.save(step + 1)
            if stopped:
                raise Stopped(stopped, f"stopped after step {step + 1} of {plan.steps}", saved=True)
    session.hand_over()


def steps_taken(take_step: Step, images: Images, first: int, what: str) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Takes the steps of a plan from `first` on: the only loop over training steps that there is.

    Args:
        take_step: One step of it.
        images: The training split, on the device.
        first: Steps that have been made already.
        what: For the progress bar.

    Yields:
        The number of every step once it is made, and its losses by name.
    """
    plan, process = take_step.plan, take_step.process
    steps = range(first, plan.steps)
    shown: Iterator[Views | None] = itertools.repeat(None, len(steps))
    if take_step.whole is None:
        addresses = (plan.addresses(step, process.rank, process.world) for step in steps)
        stream = graphs.views if take_step.recorded else type(images).stream
        shown = stream(images, addresses, take_step.recipe.augment, take_step.workers)
    batch, pace = plan.fit.batch_size, Pace(what, progress.say)
    with progress.advancing(what, plan.steps * batch, done=first * batch) as advance:
        for step, views in zip(steps, shown, strict=True):
            for soon in range(step + 1 if step == first else step + AHEAD, min(step + AHEAD + 1, plan.steps)):
                take_step.teacher.expect(*plan.addresses(soon, process.rank, process.world))
            begun = time.perf_counter()
            terms = take_step(step, views)
            pace.took(time.perf_counter() - begun)
            yield step, terms
            advance(batch)
