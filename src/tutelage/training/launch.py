"""Starts the processes of a run, or joins those that a launcher has started; the first of them holds its lock."""

import logging
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tutelage import data, files, interrupts
from tutelage.data.turnstile import no_test_split
from tutelage.errors import Busy, UserError
from tutelage.interrupts import Stopped
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, logged
from tutelage.run.launched import launched, met
from tutelage.run.process import Process, be_silent, leaving_orderly, without_the_script
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

Work = Callable[["Fabric", Run, Workspace], None]
TRAIN, DONE, HELD = range(3)
"""What the first process finds: something to do, a run that is done, another command at it."""


def in_all_processes(work: Work, recipe: Recipe, workspace: Workspace) -> Run:
    """The run of a recipe, once `work` has been done in every process that shares it; nothing where it is done.

    Raises:
        Busy: another command is at it.
        Stopped: a signal has stopped it.
    """
    run = Run.of(recipe, workspace.runs)
    if launched() is None and run.done and run.damage() is None:
        return run
    _everywhere(partial(_on_run, work), run.path, workspace)
    return run


def fill(recipe: Recipe, workspace: Workspace, part: tuple[int, int] | None = None) -> tuple[int, list[str], int]:
    """Has the teachers of a recipe answer about all that its run will see, in every process that shares the work.

    Args:
        recipe: Of the run.
        workspace: Where the answers are, and what computes.
        part: (i, n): in one process, the i-th of n parts alone.

    Returns:
        Teacher passes paid now, the folders of the answers, and the bytes of all that is in them.
    """
    return _everywhere(_fill, (recipe.to_dict(), part), workspace)


def _everywhere(function: Callable[..., Any], what: Any, workspace: Workspace) -> Any:
    """What a function says in the first of all processes, once it has been called in each."""
    engine, fabric = workspace.engine, workspace.engine.fabric()
    # Fabric walks what it hands to a process and refuses frozen dataclasses.
    given = (what, workspace.runs, workspace.data_root, asdict(engine))
    if not engine.starts_processes:
        if not met():
            fabric.launch()
        with leaving_orderly() if engine.processes > 1 else nullcontext():
            return function(fabric, *given)
    with interrupts.passing_on() as heard:
        try:
            with without_the_script():
                result, stopped = fabric.launch(cast(Any, _InAProcess(function)), *given)
        except Exception:
            if heard():  # they had not begun to listen
                raise Stopped(heard()) from None
            raise
    if stopped is not None:
        number, message, saved = stopped
        raise Stopped(number, message, saved=saved)
    return result


class _InAProcess:
    """Calls a function in each process that is started here; the first one speaks for all.

    Args:
        function: Takes Fabric and what else is given.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In the new process, before Fabric meets the others and tells so."""
        import lightning_fabric  # noqa: F401  # sets this level

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        self.__dict__ |= state

    @no_test_split("a process of a training run")
    def __call__(self, fabric: "Fabric", *given: Any) -> tuple[Any, tuple[int, str, bool] | None]:
        """What the function says, or what stopped it: multiprocessing hides that."""
        if hasattr(os, "setpgid"):
            os.setpgid(0, 0)  # Ctrl-C reaches who has started it, and is passed on: once
        if fabric.global_rank:
            be_silent()
        try:
            with interrupts.listening(), leaving_orderly():
                return self.function(fabric, *given), None
        except KeyboardInterrupt as stopped:
            number = getattr(stopped, "number", signal.SIGINT)
            return None, (int(number), str(stopped), getattr(stopped, "saved", False))


def _fill(
    fabric: "Fabric", what: tuple[Any, Any], runs: Path, data_root: Path | None, engine: dict[str, Any]
) -> tuple[int, list[str], int]:
    (plain, part), process = what, Process.of(fabric)
    recipe, workspace = Recipe.from_dict(plain), Workspace(runs, data_root, Engine(**engine))
    dataset = data.load(recipe.data, data_root)
    if part is None:
        lesson = lessons.prepare(recipe, dataset, workspace, process)
        paid, filled = lesson.paid, lesson.caches
    elif process.world > 1:
        raise UserError(f"--part with {process.world} processes", "give each part a process, or leave out --part")
    else:
        paid, filled = lessons.fill_part(recipe, dataset, workspace, process.device, part)
    return paid, [str(cache.folder) for cache in filled], sum(cache.files.size_bytes for cache in filled)


def _on_run(
    work: Work, fabric: "Fabric", path: Path, runs: Path, data_root: Path | None, engine: dict[str, Any]
) -> None:
    """Works on a run while no other command does, where it is not done."""
    run, process = Run.open(path), Process.of(fabric)
    with _looked_at(run) if process.first else nullcontext(TRAIN) as found:
        found = process.everyone(found)[0]
        if found == HELD:
            raise Busy(f"another process trains {path}", "wait for it, or change the recipe")
        if found == TRAIN:
            with logged(run) if process.first else nullcontext():
                work(fabric, run, Workspace(runs, data_root, Engine(**engine)))


@contextmanager
def _looked_at(run: Run) -> Generator[int]:
    """What there is to do, while the run is locked."""
    damage = run.damage() if run.done else None
    with files.locked(run.path / "lock") as alone:
        if alone:
            files.sweep(run.path)
        if run.done and damage is None:
            yield DONE
        elif not alone:
            yield HELD
        else:
            if damage is not None:
                log.warning("%s; it is made again from the run's last checkpoint", damage.message)
                (run.path / "DONE").unlink(missing_ok=True)
            yield TRAIN
