"""Makes, finds and runs the converters' environment: packages that do not get on with PyTorch's newest.

Nobody enters it: converters run in processes of their own, and files go in and come out.
"""

import os
import subprocess
import tempfile
import venv
from pathlib import Path

from tutelage.errors import UserError
from tutelage.export import converter

PACKAGES = ("litert-torch==0.10.0", "ai-edge-quantizer==0.10.0")
MAKE = "tutelage export --make-converters"
"""The command that makes it."""


def folder() -> Path:
    """$TUTELAGE_CONVERTERS, else ~/.cache/tutelage/converters."""
    return Path(os.environ.get("TUTELAGE_CONVERTERS") or Path.home() / ".cache" / "tutelage" / "converters")


def ready() -> bool:
    """Whether it is there, whole."""
    return _mark().is_file()


def make() -> Path:
    """Makes it: some minutes and gigabytes.

    Raises:
        UserError: pip fails; what it said last.
    """
    where = folder()
    venv.create(where, with_pip=True, clear=True)
    done = subprocess.run(
        [_python(), "-m", "pip", "install", *PACKAGES], capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise UserError(f"pip cannot install {' and '.join(PACKAGES)}: {_last(done.stderr)}", f"{MAKE} tries again")
    # An environment cannot be moved, so it does not appear by a rename: the mark says that it is whole.
    _mark().touch()
    return where


def run(*words: str | Path) -> None:
    """Runs converter.py in it.

    Raises:
        UserError: it is not there, or a converter refuses; with what it said last.
    """
    if not ready():
        raise UserError(f"there is no environment of converters in {folder()}", f"{MAKE} makes it")
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [_python(), "-P", converter.__file__, *(w if isinstance(w, str) else w.absolute() for w in words)],
            capture_output=True,
            text=True,
            errors="replace",
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            cwd=empty,
        )
    if done.returncode:
        raise UserError(f"the network cannot be converted: {_last(done.stderr)}", "choose a simpler student")


def _python() -> Path:
    return folder() / "bin" / "python"


def _mark() -> Path:
    return folder() / "tutelage-converters"


def _last(words: str) -> str:
    return next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "nothing was said")
