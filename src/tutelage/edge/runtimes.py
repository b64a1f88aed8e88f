"""Opens a file with the runtime of its suffix (a module of edge/kinds), on one CPU thread."""

import contextlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tutelage.edge import card, kinds
from tutelage.edge.card import Card
from tutelage.errors import UserError

Infer = Callable[[np.ndarray], np.ndarray]
"""From pixels in [0, 1], float32 [B, C, H, W], to logits [B, classes]."""


class Opened(NamedTuple):
    """A file that is ready to be run."""

    infer: Infer
    card: Callable[[], Card]
    """What the file, or card.json beside it, says of itself."""


class Kind(NamedTuple):
    """What runs files of one suffix: what a module of `tutelage.edge.kinds` says of itself."""

    open: Callable[[Path], Opened]
    module: str
    """What is imported."""
    package: str
    """What is installed."""
    write: Callable[["Student", Path], None] | None
    """Makes such a file; None: tutelage.export does."""


@runtime_checkable
class Student(Protocol):
    """What a kind's `write` is given: `tutelage.export.task.Task`, of which it needs no more than this."""

    @property
    def program(self) -> Any:
        """A torch module from pixels [B, C, H, W] in [0, 1] to logits [B, classes], in eval mode."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image: channels, height, width."""


KINDS = tuple(f".{module.name}" for module in pkgutil.iter_modules(kinds.__path__))
"""The suffixes of files that can be run."""


def kind_of(path: Path) -> Kind:
    """What runs a file whose suffix is among `KINDS`; its runtime is not imported yet."""
    module = import_module(f"tutelage.edge.kinds.{path.suffix.removeprefix('.')}")
    return Kind(module.open_file, module.MODULE, module.PACKAGE, getattr(module, "write", None))


def open_file(path: Path) -> Opened:
    """A file ready to be run, by its suffix.

    Raises:
        UserError: no such file, a suffix that nothing here runs, a runtime that is not installed, a file it refuses.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}", "tutelage export RUN writes one")
    if path.suffix not in KINDS:
        raise UserError(f"{path} is of no kind that can be run", f"known: {', '.join(KINDS)}")
    card.check_exported(path)
    kind = kind_of(path)
    try:
        return kind.open(path)
    except ModuleNotFoundError:
        raise UserError(f"{path} needs {kind.package} to run", f"pip install {kind.package}") from None
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be run by {kind.package}: {reason}", "export it anew") from None


def singly(infer: Infer) -> Infer:
    """Image by image: for files whose batch is fixed at 1."""
    return lambda pixels: np.concatenate([infer(pixels[i : i + 1]) for i in range(len(pixels))])


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """No warnings, and nothing on stderr, also not from C++."""
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
