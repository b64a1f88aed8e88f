"""Being stopped from outside: Ctrl-C, a request to end (SIGTERM), a terminal that was closed (SIGHUP)."""

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Windows has no SIGHUP."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end.

    Args:
        number: Of the signal.
        message: What was reached.
    """

    def __init__(self, number: int, message: str = ""):
        super().__init__(*([message] if message else []))
        self.number = number


@contextmanager
def listening() -> Generator[None]:
    """SIGTERM and SIGHUP raise `Stopped` in the block, so that what is open is closed and half-written files go."""

    def stop(number: int, frame: Any) -> None:
        raise Stopped(number)

    before = _handle(stop, SIGNALS[1:])
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def stopping() -> Generator[Callable[[], bool]]:
    """Yields a function that says whether a signal has asked to stop; a second signal stops at once.

    Raises:
        Stopped: in place of a KeyboardInterrupt of the block; it knows the signal.
    """
    asked = 0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise Stopped(number)
        asked = number
        from tutelage import progress  # `predict` needs no rich

        with suppress(OSError):  # whoever closed the terminal does not read
            progress.say("stopping after this step; Ctrl-C again to stop at once")

    before = _handle(ask, SIGNALS)
    try:
        yield lambda: bool(asked)
    except KeyboardInterrupt as stopped:
        raise Stopped(asked or signal.SIGINT, str(stopped)) from None
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
