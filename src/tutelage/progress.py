"""Shows a waiting person how far the work is: bars on a terminal, a line now and then elsewhere; always on stderr."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console

from tutelage.names import printable

console = Console(stderr=True, highlight=False, markup=False, emoji=False)
"""Progress and logs; data goes to stdout."""

PATIENCE_S = 2.0
"""Nothing shorter than this is announced."""
LINE_EVERY_S = 15.0
"""Without a terminal: seconds between two lines."""


@contextmanager
def advancing(what: str, total: int, unit: str = "images", done: int = 0) -> Generator[Callable[[int], None]]:
    """Yields `advance(count)`; shows what is done, per second, and the time left.

    Args:
        what: A few words ("training resnet8, kd, seed 1").
        total: The whole, in units.
        unit: Plural noun of what is counted.
        done: What an earlier process has done already.
    """
    show = _bar if console.is_terminal else _lines
    with show(what, total, unit, done) as advance:
        yield advance


@contextmanager
def _bar(what: str, total: int, unit: str, done: int) -> Generator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    begun = time.monotonic()
    here = 0
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(printable(what), total=total, completed=done, speed="", visible=False)

        def advance(count: int) -> None:
            nonlocal here
            here += count
            seconds = time.monotonic() - begun
            bars.update(
                task,
                advance=count,
                visible=seconds > PATIENCE_S,
                speed=f"{here / max(seconds, 1e-9):,.0f} {unit}/s",
            )

        yield advance


@contextmanager
def _lines(what: str, total: int, unit: str, done: int) -> Generator[Callable[[int], None]]:
    begun = last = time.monotonic()
    here = 0

    def advance(count: int) -> None:
        nonlocal here, last
        here += count
        now = time.monotonic()
        if now - last < LINE_EVERY_S:
            return
        last = now
        speed = here / (now - begun)
        left = (total - done - here) / speed
        share = (done + here) / total
        say(f"{what}: {share:.0%}, {speed:,.0f} {unit}/s, {duration(left)} left")

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
