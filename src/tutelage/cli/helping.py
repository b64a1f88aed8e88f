"""Writes the `--help` of commands that take a recipe: the flags that people use; `--help all` has every one."""

import re
import shutil
import textwrap
from operator import attrgetter
from typing import Any, NamedTuple

from tutelage.cli.values import flags_of
from tutelage.errors import UserError, unknown
from tutelage.methods import METHODS
from tutelage.names import shown

WIDTH = 100
"""Columns at most; fewer where the terminal has fewer."""


class Flag(NamedTuple):
    """One line of the help."""

    form: str
    text: str
    value: str = ""
    """Where its value is among the flags; empty: none is shown."""


TEACHER = Flag("--teacher NAME|FILE|RUN", "who teaches: a network that is trained first, a file of weights, or a run's "
               "folder; give it several times for an ensemble")  # fmt: skip
STUDENT = Flag("--student NAME", "the small network: a name of tutelage list models, timm:NAME, torchvision:NAME or "
               "FILE.py:FUNCTION", "recipe.student.name")  # fmt: skip
SEEDS = Flag("--seeds N N ...", "every recipe is trained once with each; below 3 no interval is printed", "seeds")
SHARED = (
    Flag("--fit.epochs N", "how often a student sees every image", "recipe.fit.epochs"),
    Flag("--fit.learning-rate X", "the highest of the schedule", "recipe.fit.learning_rate"),
    Flag("--fit.batch-size N", "images a step", "recipe.fit.batch_size"),
    Flag(
        "--views N", "augmented views of every image that the teacher answers; 0: new ones every epoch", "recipe.views"
    ),
    Flag("--runs FOLDER", "where runs, studies and the teacher's answers go", "runs"),
    Flag("--data-root FOLDER", "where data sets are; else $TUTELAGE_DATA, else ~/.cache/tutelage/data"),
)
"""Flags of every command that trains."""
FLAGS = {
    "distill": (
        TEACHER,
        STUDENT,
        SEEDS,
        Flag("--methods NAME NAME ...", "compare these methods, each at its defaults"),
        *SHARED,
    ),
    "tune": (
        TEACHER,
        STUDENT,
        SEEDS,
        Flag("--search.trials N", "settings that are tried", "search.trials"),
        Flag("--search.epochs N", "epochs of a trial; 0: the recipe's", "search.epochs"),
        Flag("--beside NAME NAME ...", "methods that the closing study trains, too"),
        *SHARED,
    ),
}
"""By command; the others have those of `train`."""
ONE_RUN = (TEACHER, STUDENT, Flag("--seed N", "initial weights, order, dropout", "recipe.seed"), *SHARED)
METHOD = "a name of tutelage list methods, two of them (kd+at), or FILE.py:CLASS"
COMPARED = f"{METHOD}; several to compare: kd,dkd"
SEARCHED = "names of tutelage list methods, with commas between them: kd,dkd"
WHAT = {
    "distill": "Teacher, students with and without it on paired seeds, test, export and report.",
    "train": "One run. The same command goes on where it was stopped.",
    "tune": "A method's numbers are searched on val; the best are then tried on fresh seeds.",
    "check": "Looks at the teacher before any lesson: is it right, and worth it?",
    "cache fill": "Asks the teacher for all the answers that a recipe needs.",
    "cache verify": "Asks the teacher again for a few stored answers.",
}


def misused(verb: str, arguments: list[str], named: list[str]) -> UserError:
    """The error where what comes before the flags is no recipe and method: none, too many, the wrong way round."""
    if named and named[0] in METHODS:
        return UserError(
            f"{named[0]} is a method: the recipe comes before it",
            f"tutelage {verb} digits {named[0]}, for example; tutelage list recipes shows built-in recipes",
        )
    hint = "name the recipe first, then flags; " if arguments else ""
    if len(named) > 2:
        several = ",".join(named[1:])
        hint = f"several methods have commas between them: tutelage {_comparing(verb)} {named[0]} {several}; "
    usage = f"usage: tutelage {verb} RECIPE [{_second(verb)}] [FLAGS]"
    return UserError(usage, f"{hint}tutelage list recipes shows built-in ones")


def no_flag(prog: str, words: list[str], defaults: Any) -> UserError:
    """The error where words belong to no flag of a command, or to one that it does not have.

    Args:
        prog: The command, with the recipe and method that were typed.
        words: As they were typed.
        defaults: Its flags as they are with those.
    """
    every = f"{shown(prog)} --help all"
    flag = next((word.partition("=")[0] for word in words if word.startswith("-")), "")
    if not flag:
        return UserError(
            f"{shown(words[0])} belongs to no flag: the one before it takes fewer values", f"{every} shows all"
        )
    if flag.startswith("--teacher.") and defaults.recipe.teacher is None:
        return UserError(
            f"{shown(flag)} is for a teacher, and this run has none",
            "name a method with one, such as kd, or leave it out",
        )
    known = dict(flags_of(defaults))
    if re.fullmatch(r"--method(\..*)?\.name|--method", flag):
        return UserError(
            f"{shown(flag)} is no flag: the method is the word behind the recipe",
            f"tutelage {prog.split()[1]} RECIPE dkd, or RECIPE kd+at for the sum of two",
        )
    if fields := [name for name in known if name.startswith(f"{flag}.")]:
        return UserError(f"{shown(flag)} has fields, each with a flag", f"{', '.join(fields[:3])} ...; {every}")
    name = re.sub(r"\blr$", "learning-rate", flag.replace("_", "-"))
    return UserError(f"unknown flag {shown(flag)}", unknown("flag", name, known, every).hint)


def _comparing(verb: str) -> str:
    return "tune" if verb == "tune" else "distill"


def _second(verb: str) -> str:
    return "METHODS" if verb == "tune" else "METHOD"


def short(verb: str, named: list[str], defaults: Any) -> str:
    """The help of a command: what to name, and the flags people use.

    Args:
        verb: The command.
        named: The recipe and method that were typed before --help.
        defaults: Its flags as they are with those; None where no recipe was named: values are not shown.
    """
    flags, width = FLAGS.get(verb, ONE_RUN), min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    second = _second(verb)
    lines = [
        f"usage: tutelage {verb} {shown(' '.join(named))} [FLAGS]"
        if named
        else f"usage: tutelage {verb} RECIPE [{second}] [FLAGS]",
        "",
        *textwrap.wrap(WHAT[verb], width),
        "",
        *_hanging(
            "RECIPE  a built-in name (tutelage list recipes), a TOML or JSON file, a run, or a folder of images", width
        ),
        *_hanging(f"{second:<7} { {'tune': SEARCHED, 'distill': COMPARED}.get(verb, METHOD) }", width),
        "",
    ]
    column = 26
    for flag in flags:
        value = f" ({_value(attrgetter(flag.value)(defaults))})" if flag.value and defaults is not None else ""
        text = textwrap.wrap(f"{flag.text}{value}", max(width - column, 20))
        lines += [f"  {flag.form:<{column - 3}} {text[0]}", *(f"{' ' * column}{line}" for line in text[1:])]
    every = " ".join(["tutelage", verb, *(named or ["RECIPE"])])
    last = textwrap.wrap(f"{shown(every)} --help all shows every flag, with its value in that recipe.", width)
    return "\n".join([*lines, "", *last])


def _hanging(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * 8)


def _value(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else shown(str(value))
