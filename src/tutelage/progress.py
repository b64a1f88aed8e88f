"""Shows a waiting person how far the work is: bars on a terminal, a line now and then elsewhere; always on stderr."""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from rich.console import Console

from tutelage.names import printable
from tutelage.shares import percent

_IN_NOTEBOOK = "JPY_PARENT_PID" in os.environ
"""This is a notebook's kernel, or what a cell has started: it shows lines, and of a bar the codes."""
console = Console(
    stderr=not (_IN_NOTEBOOK and "ipykernel" in sys.modules),  # a kernel's stderr is shown in red
    force_terminal=False if _IN_NOTEBOOK else None,
    force_jupyter=False,
    highlight=False,
    markup=False,
    emoji=False,
)
"""Progress and logs; data goes to stdout."""

PATIENCE_S = 1.0
"""Nothing shorter than this is announced."""
LINE_EVERY_S = 15.0
"""Without a terminal: seconds between two lines of work that is counted."""
SILENCE_S = 30.0
"""Without a terminal: seconds after which a line comes whatever happens."""


LOOK_S = 1.0
"""Seconds between two looks at whether that is so."""


class Lines:
    """What is told of one piece of work where there is no terminal: a line now and then.

    Args:
        what: A few words.
        total: The whole, in units; 0: it cannot be counted.
        unit: Plural noun of what is counted.
        done: What an earlier process has done already.
        clock: Seconds, from any moment on; None: the system's.
    """

    def __init__(self, what: str, total: int, unit: str, done: int = 0, clock: Callable[[], float] | None = None):
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self._clock = clock or time.monotonic
        self._begun = self._last = self._clock()
        self._here = 0

    def advance(self, count: int) -> None:
        """Notes what was done; tells it where the last line is some time ago."""
        self._here += count
        if self._clock() - self._last >= LINE_EVERY_S:
            self._tell()

    def look(self) -> None:
        """Tells how things are where nothing was told for too long: nothing may have advanced."""
        if self._clock() - self._last >= SILENCE_S:
            self._tell()

    def _tell(self) -> None:
        now = self._last = self._clock()
        so_far = now - self._begun
        if not self.total or not self._here:
            say(f"{_prefixed(self.what)}: {duration(so_far)} so far")
            return
        speed, share = self._here / so_far, (self.done + self._here) / self.total
        left = (self.total - self.done - self._here) / speed
        say(f"{_prefixed(self.what)}: {percent(share, 0)}, {speed:,.0f} {self.unit}/s, {duration(left)} left")


class Whole:
    """How far several runs are together.

    Args:
        total: How many runs there are.
        clock: Seconds, from any moment on; None: the system's.
    """

    def __init__(self, total: int, clock: Callable[[], float] | None = None):
        self.total, self._clock = total, clock or time.monotonic
        self._number = 0
        self._since = self._clock()
        self._took: list[float] = []

    def next(self) -> None:
        """The next run begins."""
        self._number, self._since = self._number + 1, self._clock()

    def ended(self, *, worked: bool) -> None:
        """It has ended; `worked`: it was not found done."""
        if worked:
            self._took.append(self._clock() - self._since)

    def __str__(self) -> str:
        line = f"run {self._number} of {self.total}"
        if not self._took:
            return line
        each = sum(self._took) / len(self._took)
        left = each * (self.total - self._number + 1) - min(self._clock() - self._since, each)
        return f"{line}, about {about(left)} left"


_wholes: list[Whole] = []
_lines: list[Lines] = []


@contextmanager
def whole(total: int) -> Generator[Whole]:
    """Inside the block every line and bar says how far all runs are, and how long they still take."""
    _wholes.append(Whole(total))
    try:
        yield _wholes[-1]
    finally:
        _wholes.pop()


def _prefixed(what: str) -> str:
    return "; ".join([*map(str, _wholes), what])


@contextmanager
def advancing(what: str, total: int, unit: str = "images", done: int = 0) -> Generator[Callable[[int], None]]:
    """Yields `advance(count)`; shows what is done, per second, and the time left.

    Args:
        what: A few words ("training resnet8, kd, seed 1").
        total: The whole, in units.
        unit: Plural noun of what is counted.
        done: What an earlier process has done already.
    """
    if console.is_terminal:
        with _bar(what, total, unit, done) as advance:
            yield advance
        return
    _lines.append(Lines(what, total, unit, done))
    try:
        with _awake() if len(_lines) == 1 else nullcontext():
            yield _lines[-1].advance
    finally:
        _lines.pop()


@contextmanager
def working(what: str) -> Generator[None]:
    """Shows what is being done, and since when, where it cannot be counted."""
    with advancing(what, 0):
        yield


@contextmanager
def _awake() -> Generator[None]:
    """A thread looks at the innermost work now and then: what computes may not come back for minutes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_S):
            with suppress(IndexError):  # it has just ended
                _lines[-1].look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _bar(what: str, total: int, unit: str, done: int) -> Generator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    begun = time.monotonic()
    here = 0

    class SoFar(ProgressColumn):
        """What is being done and since when, once that is worth a look."""

        def render(self, task: Any) -> Text:
            so_far = time.monotonic() - begun
            return Text(f"{printable(_prefixed(what))}: {duration(so_far)} so far" if so_far > PATIENCE_S else "")

    counted = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*(counted if total else (SoFar(),)), console=console, transient=True) as bars:
        description = printable(_prefixed(what))
        task = bars.add_task(description, total=total or None, completed=done, speed="", visible=not total)

        def advance(count: int) -> None:
            nonlocal here
            here += count
            seconds = time.monotonic() - begun
            bars.update(
                task,
                advance=count,
                description=printable(_prefixed(what)),
                visible=seconds > PATIENCE_S,
                speed=f"{here / max(seconds, 1e-9):,.0f} {unit}/s",
            )

        yield advance


@contextmanager
def several(noun: str, total: int) -> Generator[Callable[[int, float | int], None]]:
    """Yields `at(begun, done)`; shows "run 7 of 20, about 12 min left".

    Args:
        noun: What they are, in the singular.
        total: How many there are; `begun` of them are under way or done, and `done` counts parts of those, too.
    """
    from rich.progress import BarColumn, Progress, TextColumn

    since = last = time.monotonic()
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task, before = bars.add_task(noun, total=total, visible=False), None

        def at(begun: int, done: float | int) -> None:
            nonlocal last, before
            now = time.monotonic()
            before = done if before is None else before  # an earlier command did that
            left = (now - since) * (total - done) / (done - before) if done > before else None
            words = f"{noun} {begun} of {total}" + ("" if left is None else f", about {about(left)} left")
            bars.update(task, description=words, completed=done, visible=now - since > PATIENCE_S)
            if not console.is_terminal and now - last >= LINE_EVERY_S:
                last = now
                say(words)

        yield at


def say(text: str) -> None:
    """One line on stderr, never wrapped and without markup."""
    console.print(printable(text), markup=False, soft_wrap=True)


def duration(seconds: float | int) -> str:
    """Seconds as people say them.

    >>> [duration(s) for s in (0.4, 59, 3 * 60 + 5, 2 * 3600 + 60)]
    ['0.4 s', '59 s', '3 min 5 s', '2 h 1 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float | int) -> str:
    """Seconds as people guess them.

    >>> [about(s) for s in (3, 70, 760, 9000)]
    ['3 s', '70 s', '13 min', '2.5 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "view"), counted(1200, "view")
    ('1 view', '1,200 views')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(count: float | int) -> str:
    """Bytes as people say them, decimal.

    >>> [size(s) for s in (900, 312_000, 4.5e6, 2.56e9)]
    ['900 bytes', '312 kB', '4.5 MB', '2.56 GB']
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.3g} {unit}"
    return f"{count / 1000:.3g} TB"
