"""Says how many runs fit into this machine at once: by its cores, and by the memory that the first is seen to take."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tutelage import data, progress
from tutelage.run.network import build_for
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.study import processes
from tutelage.study.processes import Working
from tutelage.study.task import Task
from tutelage.teacher.cachefiles import passes_each

WORTH = 2
"""Runs are made at once where they seem to take so many times as long as their processes take to begin: of the digits
twenty seeds (estimated at 8 s, in truth 12) are over four seconds sooner on two cores."""
SHARE = 0.8
"""Of the free memory that runs may take."""
LOOKED_AT = 64
"""Images of the pass that is timed."""
BACKWARD = 3
"""A training step takes about so many times what the forward pass takes."""


def cores() -> int:
    """Cores that this process may use: of an allocation or a container those, not all of the machine."""
    import joblib

    return joblib.cpu_count()


def threads_each(runs: int) -> int:
    """Threads of each of so many runs: more than one where there are more cores than runs.

    It depends on nothing that changes while a study goes on: threads decide in which order is summed.
    """
    return max(1, cores() // runs)


def are_short(recipes: Sequence[Recipe], workspace: Workspace) -> bool:
    """Whether runs are made sooner one after the other than in processes that have to begin first."""
    beginnings = processes.BEGINS_S * (1 if processes.FORKS else len(recipes))
    return seconds(recipes, workspace) < WORTH * beginnings


def seconds(recipes: Sequence[Recipe], workspace: Workspace) -> float:
    """About how long runs of one student take, one after the other on this process's threads, by one pass of it."""
    import torch

    recipe = recipes[0]
    dataset = data.load(recipe.data, workspace.data_root)
    student = build_for(recipe.student, dataset, recipe.seed, learns=True).eval()
    pixels = dataset.train.plain(torch.arange(min(LOOKED_AT, len(dataset.train))))
    passes = []
    with torch.inference_mode():
        for _ in range(3):
            begun = time.perf_counter()
            student(pixels)
            passes.append(time.perf_counter() - begun)
    images = sum(passes_of_student(each, len(dataset.train)) for each in recipes)
    return BACKWARD * images * min(passes) / len(pixels)


def passes_of_student(recipe: Recipe, samples: int) -> int:
    """Images that the student of a run is asked about while it is trained, each view and each rotation counted."""
    views = 2 if recipe.second_view else 1
    return Plan.of(recipe, samples).steps * recipe.fit.batch_size * views * passes_each(recipe.method.student_needs)


def room(jobs: int, runs: int, threads: int, works: Callable[[Task], bool]) -> Callable[[Sequence[Working]], int]:
    """How many runs there may be at once, as `processes.do` asks for it.

    Where nobody has said it, that is one, until it is seen to work; then as many as the cores and its memory allow.

    Args:
        jobs: How many are wanted; 0: as many as fit.
        runs: How many there are.
        threads: Of each.
        works: Whether the process of a task takes as much memory as it ever will.
    """
    most, free = min(runs, cores() // threads), free_memory()
    known = [min(jobs, runs)] if jobs else [most] if most < 2 or free is None else []

    def at_once(running: Sequence[Working]) -> int:
        for worker in running:
            taken = None if known or not works(worker.task) else memory_of(worker.process.pid)
            if taken and free is not None:
                known.append(max(1, min(most, int(SHARE * free / taken))))
                progress.say(
                    f"{progress.counted(known[0], 'run')} at once: {progress.counted(cores(), 'core')}, and the first "
                    f"takes {progress.size(taken)} of {progress.size(free)} of free memory"
                )
        return known[0] if known else 1

    return at_once


def free_memory() -> int | None:
    """Bytes that this process's children may take; None where the system does not say (elsewhere than on Linux)."""
    found = [_field(Path("/proc/meminfo"), "MemAvailable")]
    limit, used = (_number(Path(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    if limit is not None and used is not None:
        cached = _field(Path("/sys/fs/cgroup/memory.stat"), "file", unit=1) or 0
        found.append(limit - used + cached)
    return min((bytes_ for bytes_ in found if bytes_ is not None), default=None)


def memory_of(pid: int) -> int | None:
    """The most bytes that a process has taken so far; None where the system does not say, or it has ended."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM")


def _field(path: Path, name: str, unit: int = 1024) -> int | None:
    """The number on the line of a file of the kernel's that begins with a name."""
    try:
        lines = (line.replace(":", " ").split() for line in path.read_text().splitlines())
        return next(int(words[1]) * unit for words in lines if words[0] == name)
    except (OSError, StopIteration):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max": no limit
        return None
