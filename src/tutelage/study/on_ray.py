"""Does tasks on the nodes of a Ray cluster, which share the folder of the runs: Ray says where, and tries again.

Runs, checkpoints and the teacher's answers lie in that folder, so that a worker or a node that dies costs the steps
since the last checkpoint: Ray begins the task elsewhere, and it goes on from there.
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tutelage import interrupts
from tutelage.errors import UserError
from tutelage.study.processes import TICK_S, value
from tutelage.study.task import Task, outcome

RETRIES = 5
"""Times that Ray begins a task anew after its worker or node has died."""


class Share(NamedTuple):
    """What each task asks of its node."""

    cores: int
    gpu: float
    """Of a GPU; it is asked for where the cluster has one, and 0 asks for none."""


def do(tasks: Iterable[Task], address: str, share: Share, look: Callable[[], None]) -> dict[str, Any]:
    """Does all tasks; what each has returned, by its name.

    Args:
        tasks: All are handed over at once.
        address: "ray" for the cluster that this machine is part of, or "ray://HEAD:10001".
        share: What each needs.
        look: Called about twice a second.

    Raises:
        UserError: Ray is not installed, there is no cluster, or a task failed; the others then save their state.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    ray = _connected(address)
    gpus = share.gpu if ray.cluster_resources().get("GPU") else 0
    remote = ray.remote(num_cpus=share.cores, num_gpus=gpus, max_retries=RETRIES)(_serve)
    environment = {name: text for name, text in os.environ.items() if name.startswith("TUTELAGE_")}
    pending, results = {}, {}
    with interrupts.stopping() as stop:
        try:
            for task in tasks:
                pending[remote.options(name=task.name).remote(task, os.getcwd(), environment, sys.argv)] = task.name
            while pending:
                look()
                for ended in ray.wait(list(pending), timeout=TICK_S)[0]:
                    name = pending.pop(ended)
                    results[name] = value(name, *_answer(ray, ended, name))
                if number := stop():
                    raise interrupts.Stopped(number, f"stopped with {len(pending)} tasks not done", saved=True)
            return results
        finally:
            for left in pending:
                ray.cancel(left)  # as Ctrl-C there
            while pending:
                for ended in ray.wait(list(pending), timeout=TICK_S)[0]:
                    pending.pop(ended)
            ray.shutdown()


def cores(address: str) -> int:
    """How many all nodes together have now."""
    return int(_connected(address).cluster_resources().get("CPU", 1))


def _connected(address: str) -> Any:
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise UserError(f"--on {address} needs Ray, which is not installed", "pip install 'tutelage[ray]'") from None
    if ray.is_initialized():
        return ray
    try:
        ray.init("auto" if address == "ray" else address, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--on {address}: no Ray cluster answers ({str(error).splitlines()[0]})",
            "ray start --head begins one, and ray start --address=HEAD:6379 adds a machine; all share --runs",
        ) from None
    return ray


def _answer(ray: Any, ended: Any, name: str) -> tuple[str, Any]:
    try:
        return ray.get(ended)
    except ray.exceptions.RayError as error:
        raise UserError(
            f"{name}: Ray has given it up ({type(error).__name__})",
            "ray status shows the nodes; the same command goes on from the last checkpoints",
        ) from None


def _serve(task: Task, folder: str, environment: dict[str, str], words: list[str]) -> tuple[str, Any]:
    """What a worker of Ray's does; runs record the words that somebody typed, not the worker's own."""
    sys.argv = words
    if os.path.isdir(folder):
        os.chdir(folder)
    os.environ.update(environment)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tutelage").setLevel(logging.INFO)
    return outcome(task)
