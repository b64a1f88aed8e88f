"""Catches Ctrl-C in a run: the step is finished and the state saved before the process ends."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from tutelage import progress


@contextmanager
def stopping() -> Generator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C was pressed; a second Ctrl-C stops at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        progress.say("stopping after this step; Ctrl-C again to stop at once")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread: the caller handles signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
