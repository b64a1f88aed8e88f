"""Says what a task is, and what the process does that was begun for one (by `processes`, or by Ray).

It says what it logs, prints and returns to the process that began it, and stops when that lets go of it.
"""

import copy
import io
import logging
import logging.handlers
import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from tutelage import interrupts, progress

LINE_EVERY_S = 60.0
"""Seconds between two lines of one task about how far it is: the first process says how far all are."""


class Task(NamedTuple):
    """What a process of its own can do."""

    name: str
    function: Callable[..., Any]
    """Of a module: it is imported in the other process."""
    arguments: tuple[Any, ...]
    """Plain values."""


def serve(says: Connection, leash: Connection, task: Task, folder: str) -> None:
    """What the other process does."""
    os.chdir(folder)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # the terminal speaks to the first process alone
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_when_let_go, args=(leash,), daemon=True).start()
    root = logging.getLogger()
    root.handlers = [logging.handlers.QueueHandler(_Sent(says))]  # ty: ignore[invalid-argument-type]
    logging.getLogger("tutelage").setLevel(logging.INFO)
    with redirect_stderr(_Lines(says)), interrupts.listening():
        result = outcome(task)
    with suppress(OSError, KeyboardInterrupt):  # let go of meanwhile: nobody listens
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who has the result lets go: libraries still tidy up after it
        says.send(result)


def outcome(task: Task) -> tuple[str, Any]:
    """Does a task; "done" and what it returns, or "failed" and why, as another process can have it."""
    progress.LINE_EVERY_S = LINE_EVERY_S
    try:
        return "done", task.function(*task.arguments)
    except KeyboardInterrupt as stopped:
        return "failed", KeyboardInterrupt(str(stopped))
    except Exception as error:
        return "failed", _portable(error)


def _stop_when_let_go(leash: Connection) -> None:
    with suppress(EOFError, OSError):
        leash.recv()
    # As Ctrl-C, and not SIGTERM, which a scheduler may send to all: the same a second time is not waited for.
    if hasattr(signal, "pthread_kill"):  # wakes the main thread also where it waits for something
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def _portable(error: Exception) -> Exception:
    """The error as another process can have it, with the traceback of this one."""
    text = traceback.format_exc()
    try:
        copy.copy(error)
    except Exception:
        error = RuntimeError(str(error))
    error.add_note(f"in a process of its own:\n{text}")
    return error


class _Sent(NamedTuple):
    """What a QueueHandler takes for a queue: records go to the first process, if that is still there."""

    says: Connection

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Sends one."""
        with suppress(OSError):
            self.says.send(("log", record))


class _Lines(io.TextIOBase):
    """A text file whose lines go to the first process, if that is still there.

    Args:
        says: Where they go.
    """

    def __init__(self, says: Connection):
        self._says, self._rest = says, ""

    def write(self, text: str) -> int:
        """Sends the lines that are whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            with suppress(OSError):
                self._says.send(("line", line))
        return len(text)
