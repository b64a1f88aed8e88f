"""Runs a Python file of the user's own: the one way in which code that is not ours is run, named by its path."""

import importlib.util
from pathlib import Path
from typing import Any

from tutelage.errors import UserError, unknown


def load(name: str) -> Any:
    """The object that `FILE.py:NAME` names; the file is run.

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
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{file} fails when imported: {type(error).__name__}: {error}", "mend the file") from error
    if not hasattr(module, attribute):
        raise unknown(f"name in {file}", attribute, [known for known in vars(module) if not known.startswith("_")])
    return getattr(module, attribute)
