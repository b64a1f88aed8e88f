"""Makes the trials of a search in several processes of this machine or of a cluster, which share its journal."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage import progress
from tutelage.run.engine import Engine
from tutelage.run.workspace import Workspace
from tutelage.study import fitting, on_ray, processes
from tutelage.study.jobs import Jobs
from tutelage.study.processes import Working
from tutelage.study.search import opened
from tutelage.study.task import Task

if TYPE_CHECKING:
    from tutelage.study.tune import Tuning


def in_processes(tuning: "Tuning", workspace: Workspace, jobs: Jobs) -> None:
    """Has so many processes make trials until the budget is spent.

    Args:
        tuning: The search.
        workspace: With the threads of each process.
        jobs: How many.
    """
    folder, search = workspace.runs / tuning.folder_name, tuning.search
    begun, now = time.monotonic(), time.time()

    def tasks() -> Iterator[Task]:
        root = workspace.data_root and workspace.data_root.absolute()
        plain = tuning.to_dict(), workspace.runs.absolute(), root, dataclasses.asdict(workspace.engine)
        for number in itertools.count(1):
            if search.late(begun) or search.spent(opened(folder, search)):
                return
            yield Task(f"process {number} of the search", make_trials, plain)

    def takes_steps(task: Task) -> bool:
        notes = workspace.runs.glob(f"*-s{search.seed}-*/metrics.jsonl")
        return any(file.stat().st_mtime > now for file in notes)

    if jobs.on:
        many = min(search.trials, jobs.jobs or on_ray.cores(jobs.on) // workspace.engine.threads)
        share = on_ray.Share(workspace.engine.threads, jobs.gpu if workspace.engine.device != "cpu" else 0)
        on_ray.do(itertools.islice(tasks(), many), jobs.on, share, lambda: None)
        return
    room = fitting.room(jobs.jobs, search.trials, workspace.engine.threads, takes_steps)
    with progress.several("trial", search.trials) as report:

        def at_once(running: Sequence[Working]) -> int:
            trial = len(list(folder.glob("trial-*.lock")))
            report(trial, max(0, trial - len(running)))
            return room(running)

        processes.do(tasks(), at_once)


def make_trials(plain: dict[str, Any], runs: Path, data_root: Path | None, engine: dict[str, Any]) -> None:
    """What each of the processes does."""
    from tutelage.study.tune import Tuning

    Tuning.from_dict(plain).make_trials(Workspace(runs, data_root, Engine(**engine)))
