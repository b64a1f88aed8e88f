"""Trains one run from its recipe to its final weights. Stop it anywhere; the same call goes on from there."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from lightning_fabric import Fabric
from torch import Tensor

from tutelage import files, progress
from tutelage.data.images import Images
from tutelage.data.turnstile import no_test_split
from tutelage.errors import Busy
from tutelage.interrupts import stopping
from tutelage.run import dot
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, logged
from tutelage.run.plan import check_batch
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training import graphs
from tutelage.training.session import set_up
from tutelage.training.step import Step

log = logging.getLogger(__name__)

AHEAD = 32
"""How many steps before it is needed a row on disk is asked for."""


@no_test_split("a training run")
def train(recipe: Recipe, workspace: Workspace | None = None) -> Run:
    """Trains a recipe to its end, its teacher first where that is to be trained; does nothing where it is done.

    Args:
        recipe: The run in full.
        workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.

    Raises:
        Busy: another process trains it.
        UserError: anything else that a user can mend.
        KeyboardInterrupt: after Ctrl-C, once the state is saved.
    """
    workspace = workspace or Workspace()
    check_batch(recipe.fit.batch_size, sys.maxsize, devices=workspace.engine.devices)
    dot.check(recipe.fit.optimizer, workspace.engine)
    for own in recipe.of_teachers:
        train(own, workspace)
    run = Run.of(recipe, workspace.runs)
    damage = run.damage() if run.done else None
    with files.locked(run.path / "lock") as alone:
        if run.done and damage is None:
            if alone:
                files.sweep(run.path)
            return run
        if not alone:
            raise Busy(f"another process trains {run.path}", "wait for it, or change the recipe")
        files.sweep(run.path)
        if damage is not None:
            log.warning("%s; it is made again from the run's last checkpoint", damage.message)
            (run.path / "DONE").unlink(missing_ok=True)
        with logged(run):
            _launch(run, workspace)
    return run


def _launch(run: Run, workspace: Workspace) -> None:
    fabric = workspace.engine.fabric()
    if workspace.engine.devices > 1:
        # Fabric walks what it hands to a process and refuses frozen dataclasses.
        fabric.launch(cast(Any, _train_in_a_process), run.path, workspace.data_root, asdict(workspace.engine))
    else:
        _train(fabric, run, workspace)


@no_test_split("a training run")
def _train_in_a_process(fabric: Fabric, path: Path, data_root: Path | None, engine: dict[str, Any]) -> None:
    _train(fabric, Run.open(path), Workspace(path.parent, data_root, Engine(**engine)))


def _train(fabric: Fabric, run: Run, workspace: Workspace) -> None:
    session = set_up(fabric, run, workspace)
    plan, book = session.plan, session.book
    with stopping() as stop:
        for step, terms in steps_taken(session.take_step, session.images, book.next_step, f"training {run.path.name}"):
            session.stepped(step, terms)
            if plan.ends_epoch(step):
                session.validate(step + 1)
            stopped = stop()
            if stopped or plan.ends_epoch(step):
                session.save(step + 1)
            if stopped:
                raise KeyboardInterrupt(f"stopped after step {step + 1} of {plan.steps}")
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
    addresses = (plan.addresses(step, process.rank, process.world) for step in steps)
    stream = graphs.views if take_step.recorded else type(images).stream
    shown = stream(images, addresses, take_step.recipe.augment, take_step.workers)
    batch = plan.fit.batch_size
    with progress.advancing(what, plan.steps * batch, done=first * batch) as advance:
        for step, views in zip(steps, shown, strict=True):
            for soon in range(step + 1 if step == first else step + AHEAD, min(step + AHEAD + 1, plan.steps)):
                take_step.teacher.expect(*plan.addresses(soon, process.rank, process.world))
            yield step, take_step(step, views)
            advance(batch)
