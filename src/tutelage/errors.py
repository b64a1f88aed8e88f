"""Defines the one exception that a user sees: what is wrong, what was expected, what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from tutelage.names import shown


class UserError(Exception):
    """A mistake the user can mend; the command line prints it without a traceback and exits with 2.

    Args:
        message: What was written and what was expected, in one sentence.
        hint: What to do next; printed on a line of its own.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class Diverged(UserError):
    """Training went to infinity: a setting too bold, which a search may step over."""


class Busy(UserError):
    """Another process is at work on it: whoever has something else to do goes on with that."""


class Damaged(UserError):
    """A file of our own is not what was written."""

    path: Path
    reason: str
    """What is wrong with it."""

    @staticmethod
    def of(path: Path, reason: str, hint: str = "") -> "Damaged":
        """The error for a file.

        Args:
            path: The file.
            reason: What is wrong with it: "it is gone".
            hint: What makes it again; empty: who catches this knows, or the file's owner.
        """
        error = Damaged(f"{path} is damaged: {reason}", hint or "the command that wrote it writes it again")
        error.path, error.reason = path, reason
        return error


def unknown(kind: str, name: str, known: Iterable[str], listing: str = "") -> UserError:
    """The error for a name that is in no table, with the nearest name that is.

    Args:
        kind: What the name should have named, in the singular ("method").
        name: What the user wrote.
        known: The names that exist.
        listing: A command that prints them.

    >>> print(unknown("method", "dk", ["kd", "dkd", "rkd"]).hint)
    did you mean "dkd"?
    """
    known = sorted(known)
    near = get_close_matches(name.lower(), known, n=2, cutoff=0.6)
    if near:
        hint = "did you mean " + " or ".join(f'"{n}"' for n in near) + "?"
    elif not known:
        hint = "there is none to choose from"
    elif len(known) <= 12:
        hint = "known: " + ", ".join(known)
    else:
        hint = "there is nothing of a similar name"
    if listing:
        hint += f" ({listing} lists them all)"
    return UserError(f'unknown {kind} "{shown(name)}"', hint)
