"""Tasks for processes of their own, which import them from here."""

import multiprocessing.util
import os
import signal
import sys
from pathlib import Path

from tutelage import progress
from tutelage.errors import Diverged


def double(number: int) -> int:
    """Says what it does."""
    progress.say(f"doubling {number}")
    return 2 * number


def die_at_first(marker: Path, times: int) -> str:
    """As the kernel ends a process where the memory is full, so many times."""
    before = len(marker.read_text()) if marker.exists() else 0
    if before < times:
        marker.write_text("x" * (before + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return f"killed {before} times"


def leave() -> None:
    """As a library that ends the process for a reason of its own."""
    os._exit(1)


def fail(message: str) -> None:
    """As a run whose losses go to infinity."""
    raise Diverged(message, "lower it")


def tidy_up_at_the_end(marker: Path) -> None:
    """As a library whose semaphore is given back while the process ends, and is let go of in that moment."""

    def give_back() -> None:
        signal.raise_signal(signal.SIGINT)
        marker.write_text("given back")

    multiprocessing.util.Finalize(None, give_back, exitpriority=1)


def wait_to_be_stopped(marker: Path) -> None:
    """As a training loop: it goes on until it is asked to stop, and then writes down what it has."""
    from tutelage.interrupts import stopping

    with stopping() as stop:
        marker.write_text("begun")
        while not stop():
            signal.sigtimedwait([], 0.01)
        marker.write_text("saved")
    sys.exit(0)
