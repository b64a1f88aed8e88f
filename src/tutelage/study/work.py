"""Does the runs of a study, somewhere: in this process, in several of this machine, or on the nodes of a Ray cluster.

Whoever works on a run holds its lock, wherever that is. So the same command may be typed many times, on one machine or
on many that share the folder: each takes runs that nobody holds, and what a dead one held is free.
"""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tutelage import data, files, progress
from tutelage.errors import Busy, Damaged, UserError
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.study import fitting, on_ray, processes
from tutelage.study.jobs import ONE, Jobs
from tutelage.study.processes import Working
from tutelage.study.task import Task
from tutelage.study.watch import Watch
from tutelage.training.loop import train
from tutelage.training.predictions import evaluate_run

log = logging.getLogger(__name__)


PATIENCE_S = 60.0
"""Seconds for which a task that Ray begins anew waits for the one before it to be gone."""


def prepare(recipes: Sequence[Recipe], workspace: Workspace, jobs: Jobs) -> None:
    """Lets the processes of some runs begin to begin, where they will not be trained in this one."""
    if not jobs.on and not settled(recipes, workspace, jobs)[0]:
        processes.prepare()


def train_teachers(recipes: Iterable[Recipe], workspace: Workspace, watch: Watch) -> None:
    """Trains the teachers of some recipes, one after the other, on all threads; waits where another process does."""
    for own in {own.hash: own for recipe in recipes for own in recipe.of_teachers}.values():
        train_or_wait(own, workspace, watch)


def train_or_wait(recipe: Recipe, workspace: Workspace, watch: Watch) -> Run:
    """Trains a run, or waits until another process has done so."""
    while True:
        watch.look([recipe], workspace.runs)
        try:
            return train(recipe, workspace)
        except Busy as busy:
            watch.forget(recipe, workspace.runs)
            progress.say(f"{busy.message}: it is waited for")
            with files.locked(workspace.folder(recipe) / "lock", wait=True):
                continue


def train_all(recipes: list[Recipe], workspace: Workspace, watch: Watch, jobs: Jobs = ONE) -> list[Run]:
    """Trains runs, what they begin with first, until all are done or those left are other processes'; these.

    Args:
        recipes: In the order in which they are begun.
        workspace: Where they are, and what computes.
        watch: Of the command that this is a part of.
        jobs: How many at once.

    Raises:
        UserError: what stopped a run, which is named; those beside it save their state.
        KeyboardInterrupt: after Ctrl-C, once the state of all is saved.
    """
    train_teachers(recipes, workspace, watch)
    if starts := {start.hash: start for recipe in recipes if (start := recipe.of_start)}:
        train_all([*starts.values()], workspace, watch, jobs)
    left = [recipe for recipe in recipes if not is_done(recipe, workspace)]
    one_by_one, workspace = settled(recipes, workspace, jobs) if left else (True, workspace)
    while left:
        coming = _looked_at(left, workspace, watch)
        busy = _one_by_one(coming, len(left), workspace) if one_by_one else _at_once(coming, left, workspace, jobs)
        for recipe in busy:
            watch.forget(recipe, workspace.runs)
        if len(busy) == len(left):
            break
        left = busy
    return [Run(workspace.folder(recipe)) for recipe in left if not Run(workspace.folder(recipe)).done]


def is_done(recipe: Recipe, workspace: Workspace) -> bool:
    """Whether nothing of a run is left to be trained: one that is damaged is trained again where it is."""
    run = Run(workspace.folder(recipe))
    try:
        return run.done and run.damage() is None
    except Damaged:
        return False


def settled(recipes: Sequence[Recipe], workspace: Workspace, jobs: Jobs) -> tuple[bool, Workspace]:
    """Whether some runs are trained one after the other in this process; and the workspace, with the threads of each.

    Raises:
        UserError: several are wanted at once, and each has several devices.
    """
    engine = workspace.engine
    if jobs.jobs == 1 and not jobs.on:
        return True, workspace
    if engine.processes > 1 and (jobs.jobs or jobs.on):
        raise UserError(
            f"several runs at once with --engine.devices {engine.devices}",
            "runs that have several devices go one by one",
        )
    if jobs.on:
        return False, dataclasses.replace(workspace, engine=dataclasses.replace(engine, threads=engine.threads or 1))
    if not jobs.jobs and (engine.processes > 1 or engine.fabric().device.type != "cpu"):
        return True, workspace
    threads = engine.threads or fitting.threads_each(len(recipes))
    workspace = dataclasses.replace(workspace, engine=dataclasses.replace(engine, threads=threads))
    if jobs.jobs:
        return False, workspace
    return min(fitting.cores() // threads, len(recipes)) < 2 or fitting.are_short(recipes, workspace), workspace


def _looked_at(recipes: list[Recipe], workspace: Workspace, watch: Watch) -> Iterator[Recipe]:
    """The recipes as they are begun: from then on what a run gains is this command's."""
    for recipe in recipes:
        watch.look([recipe], workspace.runs)
        yield recipe


def _one_by_one(recipes: Iterable[Recipe], count: int, workspace: Workspace) -> list[Recipe]:
    """Trains in this process; those that others hold."""
    busy = []
    with progress.whole(count) as whole:
        for recipe in recipes:
            whole.next()
            try:
                train(recipe, workspace)
                whole.ended(worked=True)
            except Busy:
                busy.append(recipe)
    return busy


def _at_once(coming: Iterable[Recipe], left: list[Recipe], workspace: Workspace, jobs: Jobs) -> list[Recipe]:
    """Trains in processes of this machine or of a cluster's nodes; those that others hold."""
    samples = {recipe.data: len(data.load(recipe.data, workspace.data_root).train) for recipe in left}
    steps = {workspace.folder(recipe): Plan.of(recipe, samples[recipe.data]).steps for recipe in left}
    before = {path.name: steps_made(path) for path in steps}
    begun: dict[str, Recipe] = {}

    def task(recipe: Recipe) -> Task:
        run, root = Run.of(recipe, workspace.runs), workspace.data_root
        begun[run.path.name] = recipe
        plain = run.path.absolute() if jobs.on else run.path, root and root.absolute()
        patience = PATIENCE_S if jobs.on else 0.0
        return Task(run.path.name, train_in_a_process, (*plain, dataclasses.asdict(workspace.engine), patience))

    with progress.several("run", len(left)) as report:

        def look() -> None:
            report(len(begun), sum(steps_made(path) / steps_in_all for path, steps_in_all in steps.items()))

        if jobs.on:
            share = on_ray.Share(workspace.engine.threads, jobs.gpu if workspace.engine.device != "cpu" else 0)
            trained = on_ray.do(map(task, coming), jobs.on, share, look)
        else:
            room = fitting.room(jobs.jobs, len(left), workspace.engine.threads, lambda task: takes_steps(task.name))

            def takes_steps(name: str) -> bool:
                return steps_made(workspace.runs / name) > before[name]

            def at_once(running: Sequence[Working]) -> int:
                look()
                return room(running)

            trained = processes.do(map(task, coming), at_once)
    return [begun[name] for name, alone in trained.items() if not alone]


def steps_made(run: Path) -> int:
    """How many steps of a run its notes tell of."""
    notes = files.read_lines(run / "metrics.jsonl")
    return notes[-1]["step"] if notes else 0


def train_in_a_process(path: Path, data_root: Path | None, engine: dict[str, Any], patience: float) -> bool:
    """Trains and evaluates the run of a folder; False where another process goes on doing so for some seconds."""
    run = Run.open(path)
    if patience:  # on a node that has died a process may be about to
        with files.locked(path / "lock", wait=patience):
            pass
    try:
        trained = train(run.recipe, Workspace(run.path.parent, data_root, Engine(**engine)))
    except Busy:
        return False
    evaluate_run(trained, data.load(run.recipe.data, data_root))
    return True
