"""Being stopped from outside: Ctrl-C, a request to end (SIGTERM), a terminal that was closed (SIGHUP).

Schedulers give notice by SIGTERM (a preempted job) or SIGUSR1 (`sbatch --signal=USR1@120`: the time is nearly up).
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name))
"""Windows has no SIGHUP and no SIGUSR1."""
NOTICES = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""What a scheduler sends before it takes the machine away."""
SOON_S = 0.01
"""Seconds after which a signal that was lost comes again."""
REQUEUE = 75
"""The exit code of a run that a scheduler has stopped and that is saved: EX_TEMPFAIL, "try again"."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end.

    Args:
        number: Of the signal.
        message: What was reached.
        saved: Whether all that was reached is saved.
    """

    def __init__(self, number: int, message: str = "", *, saved: bool = False):
        super().__init__(*([message] if message else []))
        self.number, self.saved = number, saved

    @property
    def code(self) -> int:
        """128 + the signal's number, as shells have it; `REQUEUE` where a scheduler may start it again."""
        return REQUEUE if self.saved and self.number in NOTICES else 128 + self.number


@contextmanager
def listening() -> Generator[None]:
    """SIGTERM and SIGHUP raise `Stopped` in the block, so that what is open is closed and half-written files go."""

    def stop(number: int, frame: Any) -> None:
        raise Stopped(number)

    before, hook = _handle(stop, SIGNALS[1:]), sys.unraisablehook

    def again(dropped: Any) -> None:
        """What is raised in a weak reference's callback or in __del__, Python drops: the signal comes once more."""
        if isinstance(dropped.exc_value, Stopped):
            threading.Timer(SOON_S, os.kill, (os.getpid(), dropped.exc_value.number)).start()
        else:
            hook(dropped)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        _restore(before)


@contextmanager
def stopping() -> Generator[Callable[[], int]]:
    """Yields a function that says which signal has asked to stop, 0: none; the same a second time stops at once.

    Another one does not: torchrun follows Ctrl-C up with SIGTERM, SLURM a notice.

    Raises:
        Stopped: in place of a KeyboardInterrupt of the block; it knows the signal.
    """
    signalled = 0

    def ask(number: int, frame: Any) -> None:
        nonlocal signalled
        if signalled:
            if signalled == number:
                raise Stopped(number)
            return
        signalled = number
        from tutelage import progress  # `predict` needs no rich

        with suppress(OSError):  # whoever closed the terminal does not read
            progress.say("stopping after this step; Ctrl-C again to stop at once")

    before = _handle(ask, SIGNALS)
    try:
        yield lambda: signalled
    except Stopped:
        raise
    except KeyboardInterrupt as stopped:
        raise Stopped(signalled or signal.SIGINT, str(stopped)) from None
    finally:
        _restore(before)


@contextmanager
def passing_on() -> Generator[Callable[[], int]]:
    """Signals go to the processes that this one has started and waits for; yields which one was the last, 0: none."""
    heard = 0

    def pass_on(number: int, frame: Any) -> None:
        nonlocal heard
        heard = number
        for child in multiprocessing.active_children():
            if child.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    before = _handle(pass_on, SIGNALS)
    try:
        yield lambda: heard
    finally:
        _restore(before)


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _handle(handler: Callable[[int, Any], None], numbers: tuple[int, ...]) -> dict[int, Any]:
    """Sets a handler; the handlers that were there before, by signal."""
    terminals = [stream.fileno() for stream in (sys.__stdout__, sys.__stderr__) if stream and stream.isatty()]

    def heard(number: int, frame: Any) -> None:
        if number != signal.SIGINT and number == getattr(signal, "SIGHUP", None):
            for terminal in terminals:  # to write to a closed terminal is an error
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        handler(number, frame)

    before: dict[int, Any] = {}
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_IGN:  # nohup has said so
            continue
        try:
            before[number] = signal.signal(number, heard)
        except ValueError:  # not the main thread: the caller handles signals
            break
    return before
