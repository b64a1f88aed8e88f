"""Does tasks in processes of this machine, so many at once; each has a process of its own, whose end harms no other.

Processes are forked from a server that has imported torch and started no threads (elsewhere than on Linux: begun anew).
Each sends what it logs and prints, and its result, to the one that began it. The keyboard speaks to that one alone: it
lets go of the others when they shall stop, as its death does, and a run then saves its state.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from tutelage import interrupts, progress
from tutelage.errors import UserError
from tutelage.interrupts import Stopped
from tutelage.run.process import without_the_script
from tutelage.study.task import Task, serve

TICK_S = 0.5
"""Seconds between two looks at how far all are, where nobody says anything."""
FORKS = sys.platform == "linux"
"""Whether processes are forked from a server; elsewhere each begins anew."""
BEGINS_S = 2.0
"""Seconds until PyTorch and all that a run needs are imported, by the server or by each process."""
DEATHS = 3
"""Times that a process may be killed at one task before all is given up."""
SERVER_KILLED = 255
"""The exit code that multiprocessing makes up where the server was killed, and with it all knowledge of the process."""


class Working(NamedTuple):
    """A process at a task."""

    task: Task
    process: Any
    heard: Connection
    """What it sends."""
    held: Connection
    """Closed, it tells the process to stop."""


def do(tasks: Iterable[Task], at_once: Callable[[Sequence[Working]], int]) -> dict[str, Any]:
    """Does all tasks; what each has returned, by its name.

    Args:
        tasks: Taken from one at a time, when there is room for it.
        at_once: How many there may be, told those that are at work; asked twice a second and whenever one ends.

    Raises:
        Exception: of the first task that fails; the others are stopped, and save their state.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    coming, results, deaths = _Queue(tasks), {}, Counter[str]()
    running: list[Working] = []
    with interrupts.stopping() as stop:
        try:
            while True:
                room = max(1, at_once(running) - deaths.total()) - len(running)
                for _, task in zip(range(room), coming.waiting(), strict=False):
                    running.append(_begun(task))
                if not running:
                    return results
                wait([at for worker in running for at in (worker.heard, worker.process.sentinel)], TICK_S)
                if number := stop():  # asked first: what stops this process may have ended the others, too
                    words = f"stopped with {progress.counted(len(running), 'task')} at work"
                    raise Stopped(number, words, saved=_end(running))
                for worker in list(running):
                    ended = not worker.process.is_alive()  # asked first: what it has said is then all there
                    result = _listen(worker)
                    if result:
                        results[worker.task.name] = value(worker.task.name, *result)
                    if ended:
                        running.remove(worker)
                        if worker.task.name not in results:
                            deaths[worker.task.name] += 1
                            coming.give_back(_killed(worker, deaths[worker.task.name]))
        finally:
            _end(running)


class _Queue:
    """Tasks to come, with those that are given back first."""

    def __init__(self, tasks: Iterable[Task]):
        self._tasks, self._returned = iter(tasks), []

    def waiting(self) -> Iterator[Task]:
        """Each is taken when it is asked for."""
        while True:
            task = self._returned.pop() if self._returned else next(self._tasks, None)
            if task is None:
                return
            yield task

    def give_back(self, task: Task) -> None:
        """It is the next."""
        self._returned.append(task)


def _begun(task: Task) -> Working:
    context = _context()
    heard, says = context.Pipe(duplex=False)
    leash, held = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(says, leash, task, os.getcwd()), name=task.name)
    with without_the_script():
        process.start()
    says.close()
    leash.close()
    return Working(task, process, heard, held)


@contextmanager
def beside(task: Task) -> Generator[None]:
    """Does a task in a process of its own while the block runs; here, after it, where no server is at hand for that.

    Raises:
        Exception: of the task, after the block.
    """
    running = [_begun(task)] if FORKS and _context.cache_info().currsize else []
    result = None
    try:
        yield
        with progress.working(task.name):
            for worker in running:
                while result is None and worker.process.is_alive():
                    wait([worker.heard, worker.process.sentinel], TICK_S)
                    result = _listen(worker)
                result = result or _listen(worker)
    finally:
        _end(running)
    if result:
        value(task.name, *result)
    else:
        task.function(*task.arguments)


def prepare() -> None:
    """Has the server begin that processes are forked from, where there is one: it imports what they need meanwhile."""
    _context()


@cache
def _context() -> Any:
    """Begun once: what the server imports need not be imported again by each."""
    if not FORKS:
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tutelage.study.server"])
    at_hand = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if at_hand else None
    try:
        forkserver.ensure_running()  # the terminal's Ctrl-C reaches it, too: it shall not hear that while it imports
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return context


def _listen(worker: Working, *, quiet: bool = False) -> tuple[Any, ...] | None:
    """Passes on what a process has said since; its result, where that is there."""
    result = None
    with suppress(EOFError, OSError):
        while worker.heard.poll():
            kind, *content = worker.heard.recv()
            if kind == "log":
                logging.getLogger(content[0].name).handle(content[0])
            elif kind == "line" and not quiet:
                progress.say(content[0])
            elif kind in ("done", "failed"):
                result = kind, *content
    return result


def value(name: str, kind: str, content: Any) -> Any:
    """What a task has returned; raises why it has failed, with its name."""
    if kind == "done":
        return content
    if isinstance(content, UserError) and name not in content.message:
        content.message = f"{name}: {content.message}"
    raise content


def _killed(worker: Working, times: int) -> Task:
    """A task whose process was killed: it is done again, unless that has happened too often.

    Raises:
        UserError: it was killed too often, or ended by itself, which it would do again.
    """
    if 0 <= worker.process.exitcode < SERVER_KILLED:
        raise UserError(
            f"the process of {worker.task.name} ended by itself, without a result "
            f"(exit code {worker.process.exitcode})",
            "what it printed above says why; with --jobs 1 (in Python jobs=1) its work is done without another process",
        )
    ended = f"the process of {worker.task.name} was killed (exit code {worker.process.exitcode})"
    if times == DEATHS:
        raise UserError(
            f"{ended}, and so were the two before it",
            "the memory may be too small: choose fewer --jobs; the same command goes on from the last checkpoints",
        )
    progress.say(f"{ended}: it goes on from its last checkpoint, and one fewer works beside it")
    return worker.task


def _end(running: list[Working]) -> bool:
    """Has all stop, and waits until they have; False where a second Ctrl-C has them stop at once, unsaved."""
    saved = True
    for worker in running:
        worker.held.close()
    while alive := [worker for worker in running if worker.process.is_alive()]:
        try:
            wait([worker.process.sentinel for worker in alive], TICK_S)
            for worker in alive:
                _listen(worker, quiet=True)
        except KeyboardInterrupt:
            saved = False
            for worker in alive:
                os.kill(worker.process.pid, signal.SIGINT)
    return saved
