"""Whether the test split may be read now: by data/test_split.py alone, and never inside a training run or a search.

Training, searching and checking say `no_test_split`; what reads test images says `require_passing` first.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from tutelage.errors import UserError

_SHUT: ContextVar[tuple[str, ...]] = ContextVar("shut", default=())
_PASSING: ContextVar[bool] = ContextVar("passing", default=False)


@contextmanager
def no_test_split(inside: str) -> Generator[None]:
    """While it lasts, nobody in this context reads the test split; a decorator too.

    Args:
        inside: What goes on, for the message: "a training run".
    """
    token = _SHUT.set((inside, *_SHUT.get()))
    try:
        yield
    finally:
        _SHUT.reset(token)


def refuse_inside(who: str) -> None:
    """Refuses where `no_test_split` holds.

    Args:
        who: The module that tries, for the message.

    Raises:
        UserError: it holds; says what goes on.
    """
    if shut := _SHUT.get():
        raise UserError(
            f"{who} tried to open the test split inside {', inside '.join(shut)}",
            "training, searches and checks choose on val; tutelage evaluate RUN --open-test REASON opens it afterwards",
        )


@contextmanager
def passing(who: str) -> Generator[None]:
    """While it lasts, the test split can be read; for data/test_split.py alone, which a test makes sure of.

    Raises:
        UserError: `no_test_split` holds.
    """
    refuse_inside(who)
    token = _PASSING.set(True)
    try:
        yield
    finally:
        _PASSING.reset(token)


def require_passing(what: str) -> None:
    """Stands before everything that reads or names test images.

    Raises:
        UserError: the reading does not come through data/test_split.py.
    """
    refuse_inside(what)
    if not _PASSING.get():
        raise UserError(
            f"{what} was asked for test images, which only tutelage.data.test_split reads",
            "call tutelage.data.test_split.open_test, which writes the opening down",
        )
