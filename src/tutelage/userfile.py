"""Runs a Python file of the user's own: the one way in which code that is not ours is run, named by its path."""

import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage.errors import UserError, unknown

loaded: set[Path] = set()
"""The files that were run, and those they imported from beside them: an exception there is no fault of ours."""


def load(name: str) -> Any:
    """The object that `FILE.py:NAME` names; the file is run, and finds the modules beside it.

    Raises:
        UserError: no such file, the file fails to run, or it does not define NAME.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"there is no file {file} for {name}", "write it as FILE.py:NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    loaded.add(path.resolve())
    try:
        with _beside(path.resolve().parent):
            spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{file} fails when imported: {type(error).__name__}: {error}", "mend the file") from error
    if not hasattr(module, attribute):
        raise unknown(f"name in {file}", attribute, [known for known in vars(module) if not known.startswith("_")])
    return getattr(module, attribute)


@contextmanager
def _beside(folder: Path) -> Generator[None]:
    """Imports look into a folder first, as for `python FILE.py`, and last afterwards: functions import when called.

    Modules of the folder are forgotten at the end, so that another file's `helper` is another module.
    """
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        for name in set(sys.modules) - before:
            source = getattr(sys.modules[name], "__file__", None)
            if source and folder in Path(source).resolve().parents:
                loaded.add(Path(source).resolve())
                del sys.modules[name]
