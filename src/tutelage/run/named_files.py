"""Finds the files that a recipe names: weights, a user's own code, images; wherever the command runs."""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from tutelage import userfile
from tutelage.data import DATASETS
from tutelage.errors import UserError
from tutelage.models.delivered import STUDENT, check_student


def weights_file(weights: str) -> Path:
    """The file behind `Model.weights`: the file itself, or the final weights in a run's folder.

    Raises:
        UserError: there is no such file; a run's weights are damaged.
    """
    path = Path(weights)
    if path.is_dir():
        path = path / STUDENT
        if not path.is_file():
            if not (path.parent / "recipe.json").is_file():
                raise UserError(f"{weights} is a folder, and no run's", "name a file of weights, or a run's folder")
            raise UserError(f"{weights} holds no finished run (no {STUDENT})", "train it to its end first")
    if not path.is_file():
        raise UserError(f"there is no file of weights {weights}", 'give a .safetensors or .pth file, or "pretrained"')
    check_student(path)
    return path


def with_sources(plain: Any) -> Any:
    """A recipe's JSON values, in which a file of the user's own stands for what it computes, not for where it lies."""
    for spec in _tables(plain):
        if ".py:" in str(spec.get("name", "")):
            spec["source"] = userfile.digest(spec["name"])
            spec["name"] = PurePath(spec["name"]).name
    return plain


def seen_from(folder: Path, plain: Any, where: str = "") -> Any:
    """A recipe's JSON values, with relative paths that lead nowhere from here as they are seen from a folder.

    Args:
        folder: From where the paths were right.
        plain: The values, or a part of them.
        where: The part's address in the recipe.
    """
    if isinstance(plain, dict):
        return {key: seen_from(folder, value, f"{where}.{key}") for key, value in plain.items()}
    if isinstance(plain, list):
        return [seen_from(folder, value, where) for value in plain]
    is_path = where.endswith((".weights", "data.unlabeled")) or (where == ".data.name" and plain not in DATASETS)
    if not isinstance(plain, str) or not (is_path or (where.endswith(".name") and ".py:" in plain)):
        return plain
    file, colon, name = plain.rpartition(":") if ".py:" in plain else (plain, "", "")
    path = folder / file
    return plain if Path(file).expanduser().exists() or not (file and path.exists()) else f"{path}{colon}{name}"


def _tables(plain: Any) -> Iterator[dict[str, Any]]:
    """A JSON value's objects, each and those within it."""
    if isinstance(plain, dict):
        yield plain
    for value in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _tables(value)
