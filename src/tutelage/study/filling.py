"""Has the teacher's answers paid on the nodes of a Ray cluster: each core, or share of a GPU, asks about a part."""

import dataclasses
from pathlib import Path
from typing import Any

from tutelage.run.engine import Engine
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.study import on_ray
from tutelage.study.jobs import Jobs
from tutelage.study.task import Task
from tutelage.training.launch import fill

Filled = tuple[int, list[str], int]
"""Teacher passes paid now, the folders of the answers, and the bytes in them."""


def on_nodes(recipe: Recipe, workspace: Workspace, jobs: Jobs) -> Filled:
    """All that the runs of a recipe will ask its teachers, in as many parts as the cluster has cores.

    Args:
        recipe: Of the run.
        workspace: Where the answers are; all nodes share it.
        jobs: Which cluster, and how many parts.
    """
    threads = workspace.engine.threads or 1
    engine = dataclasses.replace(workspace.engine, threads=threads)
    root = workspace.data_root and workspace.data_root.absolute()
    plain = recipe.to_dict(), workspace.runs.absolute(), root, dataclasses.asdict(engine)
    parts = jobs.jobs or max(1, on_ray.cores(jobs.on) // threads)
    tasks = [Task(f"part {i} of {parts}", _fill_a_part, (*plain, (i, parts))) for i in range(1, parts + 1)]
    share = on_ray.Share(threads, jobs.gpu if engine.device != "cpu" else 0)
    filled: list[Filled] = list(on_ray.do(tasks, jobs.on, share, lambda: None).values())
    return sum(paid for paid, *_ in filled), filled[0][1], max(size for *_, size in filled)


def _fill_a_part(
    plain: dict[str, Any], runs: Path, data_root: Path | None, engine: dict[str, Any], part: tuple[int, int]
) -> Filled:
    return fill(Recipe.from_dict(plain), Workspace(runs, data_root, Engine(**engine)), part)
