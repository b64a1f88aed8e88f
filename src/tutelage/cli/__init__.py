"""Runs the command line: finds the command, turns a user's mistake into two lines. Importing it imports no torch."""

import atexit
import gc
import importlib
import importlib.util
import logging
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import NoReturn

from tutelage import __version__, interrupts
from tutelage.cli import sharing
from tutelage.errors import UserError, unknown
from tutelage.names import printable, speak_any_name

COMMANDS = {
    "distill": (
        "distill RECIPE [FLAGS]",
        "train a teacher and students on paired seeds, export the best, write a report",
    ),
    "train": ("train RECIPE [METHOD] [FLAGS]", "train one run; the same command goes on where it was stopped"),
    "tune": ("tune RECIPE [METHODS] [FLAGS]", "search a method's numbers on val, then try the best on fresh seeds"),
    "data": ("data check PATH", "read every image once: counts, sizes, broken files, duplicates across splits"),
    "check": ("check RECIPE [FLAGS]", "look at the teacher before training: is it right, can it teach anything?"),
    "cache": ("cache list|fill|verify|prune", "show, make, compare or remove the stored answers of teachers"),
    "evaluate": ("evaluate RUN [--open-test REASON]", "measure accuracy, calibration and agreement with the teacher"),
    "export": ("export RUN [--format F,F]", "write the student as files for a device, and measure each by running it"),
    "predict": ("predict FILE PICTURE ...", "ask an exported student about pictures, without PyTorch"),
    "bench": ("bench FILE|RUN ...", "measure latency, throughput, memory and size on this machine"),
    "compare": (
        "compare RUN_OR_STUDY ...",
        "compare finished runs: paired differences, and what differs in their recipes",
    ),
    "report": ("report STUDY", "print the table of a study, and write its report.html again"),
    "watch": ("watch RUN|STUDY", "draw live curves of what is being trained"),
    "push": ("push RUN REPO_ID", "upload the exported student and its card to the Hugging Face hub"),
    "pull": ("pull USER/NAME", "fetch a student with its card, or a teacher's answers, from there"),
    "list": ("list methods|models|datasets|recipes", "show what there is to choose from"),
    "explain": ("explain METHOD", "print its formula, its fields and when to use it"),
    "completion": ("completion bash|zsh|fish", "complete commands, names and flags in your shell; --help says how"),
    "recipe": ("recipe NAME", "print a recipe as TOML, to start your own from"),
    "env": ("env", "print versions, devices and paths, for the report of a problem"),
}
PACKAGES = {
    "altair", "filelock", "huggingface_hub", "jaxtyping", "jinja2", "lightning_fabric", "markupsafe", "numpy", "onnx",
    "onnxruntime", "onnxscript", "PIL", "rich", "safetensors", "scipy", "sklearn", "timm", "torch", "torchvision",
    "tyro", "vl_convert",
}  # fmt: skip
"""What tutelage brings, by the names under which it is imported."""


def main(arguments: list[str] | None = None) -> None:
    """Runs one command.

    Exits with 0, 2 for what a user can mend, 70 for a fault of ours, 128 + n for signal n, and 75 where a scheduler's
    signal has stopped a run that is saved: the same command, queued again, goes on.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        atexit.register(gc.freeze)  # what is left is not searched for cycles: of PyTorch's modules that takes a second
    speak_any_name()
    try:
        sharing.join(arguments)
        with interrupts.listening():
            _dispatch(arguments)
            sys.stdout.flush()
    except UserError as error:
        _leave(f"error: {error}", 2)
    except KeyboardInterrupt as stopped:
        words = f"\n{str(stopped) or 'stopped'}; the same command goes on from there"
        _leave("" if sharing.rank() else words, getattr(stopped, "code", 130))  # all processes stop together
    except BrokenPipeError:
        _leave("", 141)
    except Exception as error:
        from tutelage import faults

        mendable = faults.explained(error)
        if mendable is not None:
            _leave(f"error: {mendable}", 2)
        _leave(faults.report(error, arguments), 70)


def _leave(text: str, code: int) -> NoReturn:
    """Ends the process; where what it printed cannot be written, Python shall not try again."""
    text = sharing.last_words(text)
    with suppress(OSError):
        print(printable(text), file=sys.stderr, end="\n" if text else "")
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _dispatch(arguments: list[str]) -> None:
    if arguments[:1] == ["help"] and len(arguments) == 2:
        arguments = [arguments[1], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
    elif arguments[0] in ("-V", "--version"):
        print(f"tutelage {__version__}")
    elif arguments[0] not in COMMANDS:
        raise _no_command(arguments[0])
    else:
        _refuse_empty(arguments)
        _log_to_stderr()
        try:
            command(arguments[0])(arguments[1:])
        except ImportError as missing:
            raise _lacking(arguments[0], missing) from missing


def _refuse_empty(arguments: list[str]) -> None:
    """Refuses an empty word that is no flag's value: a variable of the shell that is not set would mean this folder."""
    for before, word in pairwise(arguments):
        if not word and not before.startswith("-"):
            raise UserError(
                f"a word of the command is empty: {shlex.join(arguments)}",
                "is a variable of your shell not set? write . where this folder is meant",
            )


def _no_command(word: str) -> UserError:
    """What is said of a first word that is none; whoever names images or a recipe there has left the command out."""
    recipes: dict[str, str] = {}
    with suppress(ImportError):  # tutelage-edge has none
        from tutelage.run.builtin import RECIPES as recipes
    error = unknown("command", word, COMMANDS, "tutelage --help")
    if word in recipes or os.path.exists(word):
        return UserError(error.message, f"the command comes first: {shlex.join(['tutelage', 'distill', word])}")
    return error


def _lacking(name: str, missing: ImportError) -> Exception:
    """What a command says whose packages are not installed; the error itself where the package is a user's own."""
    package = (missing.name or "").partition(".")[0]
    if package == "tutelage" and importlib.util.find_spec("tutelage.study") is None:
        return UserError(
            f"tutelage {name} is not part of tutelage-edge, which is installed here",
            "pip uninstall tutelage-edge, then pip install tutelage",
        )
    if package in PACKAGES:
        return UserError(f"tutelage {name} needs {package}, which is not installed here", "pip install tutelage")
    return missing


def _log_to_stderr() -> None:
    """What the package and the libraries report, each line once: a study builds the same network many times."""
    printed: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        before = len(printed)
        printed.add(record.getMessage())
        return len(printed) > before

    handler = BesideBars(sys.stderr)
    handler.addFilter(is_new)
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("tutelage").setLevel(logging.INFO)
    logging.getLogger("huggingface_hub").propagate = False  # it has a handler of its own
    logging.getLogger("huggingface_hub.utils._http").addFilter(_PatientWithTheHub())
    logging.raiseExceptions = False  # a log that cannot be written stops nothing: weights that cannot be do


class _PatientWithTheHub(logging.Filter):
    """Says once that the hub does not answer: its client asks six times for each file, and says two lines of each."""

    def __init__(self) -> None:
        super().__init__()
        self.has_said = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is printed; the first of the repeated ones, in other words."""
        text = record.getMessage()
        if " thrown while requesting " not in text and not text.startswith("Retrying in "):
            return True
        record.msg, record.args = "the Hugging Face hub does not answer; it is asked again for up to a minute", ()
        is_first, self.has_said = not self.has_said, True
        return is_first


class BesideBars(logging.StreamHandler):
    """Writes lines as `progress.say` does, above a bar: those written straight to the terminal would tear it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        progress = sys.modules.get("tutelage.progress")  # not imported, it shows no bar; `predict` needs no rich
        if progress is None:
            super().emit(record)
            return
        try:
            progress.say(self.format(record))
        except Exception:
            self.handleError(record)


class _Printable(logging.Formatter):
    """Lines in which names from data are shown, and nothing in them is obeyed by a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def terminal_columns() -> int:
    """How many the terminal has; more than any line where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000


def usage() -> str:
    """What `tutelage --help` prints."""
    columns = terminal_columns()
    width = max(len(form) for form, _ in COMMANDS.values())
    lines = []
    for form, what in COMMANDS.values():
        whole = f"  {form:<{width}}  {what}"
        narrow = [f"  {form}", *textwrap.wrap(what, columns, initial_indent="      ", subsequent_indent="      ")]
        lines += [whole] if len(whole) <= columns else narrow
    return "\n".join(
        [
            *textwrap.wrap(
                "tutelage trains a small image classifier with a large one's help and measures the gain.", columns
            ),
            "",
            "usage: tutelage COMMAND ...",
            "",
            *lines,
            "",
            *textwrap.wrap(
                "RECIPE is a built-in name (tutelage list recipes), a TOML or JSON file, a run, or a folder of images.",
                columns,
            ),
            *textwrap.wrap(
                "tutelage COMMAND --help shows a command's flags. Start with: tutelage distill digits", columns
            ),
        ]
    )


def command(name: str) -> Callable[[list[str]], None]:
    """The function behind a command, imported when it is wanted."""
    if name in ("list", "explain", "recipe"):
        from tutelage.cli import listing

        return getattr(listing, f"{name}_")
    if name in ("export", "predict", "bench"):
        from tutelage.cli import device

        return getattr(device, name)
    if name == "distill":
        from tutelage.cli import distilling

        return distilling.distill
    if name in ("watch", "push", "pull"):
        return getattr(importlib.import_module(f"tutelage.cli.{name}"), name)
    if name == "cache":
        from tutelage.cli import caching

        return caching.cache
    if name == "completion":
        from tutelage.cli import completion

        return completion.completion
    if name == "env":
        from tutelage.cli import environment

        return environment.env
    if name == "data":
        from tutelage.cli import datacheck

        return datacheck.data_
    from tutelage.cli import commands

    return getattr(commands, name)
