"""Reads the file of a recipe as plain values, each of a kind that some field may have."""

import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tutelage.errors import UserError
from tutelage.text import read_text

FLOAT32 = 3.4028234663852886e38
"""The largest number of 32 bits."""
LARGEST = (1 << 63) - 1
"""The largest whole number."""
LONGEST = 80
"""Characters of a value that a message shows."""
BACKSLASHES = (
    "TOML reads a backslash in \"...\" with the letter after it: write C:/photos, or 'C:\\photos' in single quotes"
)

YAML = "recipes are TOML or JSON, not YAML; tutelage recipe NAME > my_recipe.toml writes one to fill in"


def read(path: Path) -> Any:
    """The value in a JSON file; else in a TOML file.

    Raises:
        UserError: it is not plain text, or neither JSON nor TOML; a name is there twice; it is nested too deeply; it
            holds no field.
    """
    plain = _read(path)
    if plain == {}:
        raise UserError(f"{path} is a recipe without a field", "tutelage recipe NAME prints one; one field is enough")
    return plain


def _read(path: Path) -> Any:
    text = read_text(path).text.replace("\r\n", "\n").replace("\r", "\n")
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        if kind == "JSON":
            return json.loads(text, object_pairs_hook=_once)
        plain = tomllib.loads(text)
        wrong = next(_with_controls(plain), "")
    except ValueError as error:
        hint = BACKSLASHES if kind == "TOML" and "\\" in text else "mend the line it names"
        hint = YAML if path.suffix.lower() in (".yaml", ".yml") else hint
        raise UserError(f"{path} is not valid {kind}: {error}", hint) from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply", "a recipe is a table of tables") from None
    if wrong:
        raise UserError(f"{path}: {shown(wrong)} holds tabs or ends of lines", BACKSLASHES)
    return plain


def check(plain: Any, where: str = "") -> None:
    """Refuses what JSON and TOML can say, and no field means.

    Raises:
        UserError: numbers that are none or do not fit, dates.
    """
    if isinstance(plain, dict):
        for name, value in plain.items():
            check(name, where or "a name")
            check(value, f"{where}.{name}".lstrip("."))
    elif isinstance(plain, list | tuple):
        for i, value in enumerate(plain):
            check(value, f"{where}[{i}]")
    elif isinstance(plain, int) and abs(plain) > LARGEST:
        raise UserError(f"{where} = {shown(plain)} does not fit into 64 bits", "write a smaller number")
    elif isinstance(plain, float) and not math.isfinite(plain):
        raise UserError(f"{where} = {plain} is no number", "write a finite one")
    elif isinstance(plain, float) and abs(plain) > FLOAT32:
        raise UserError(f"{where} = {plain} does not fit into 32 bits, in which is computed", "write a smaller number")
    elif not isinstance(plain, str | int | float | None):
        raise UserError(f"{where} = {shown(plain)} is neither text nor a number", "write it in quotes")


def shown(plain: Any) -> str:
    """A value as it was written; its beginning where it is long."""
    try:
        text = ascii(plain) if isinstance(plain, str) and not plain.isprintable() else repr(plain)
    except ValueError:  # Python writes no whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _with_controls(plain: Any) -> Iterator[str]:
    """The texts in a value that hold what no field means and "C:\\new\\test" becomes."""
    if isinstance(plain, dict | list):
        for value in plain.values() if isinstance(plain, dict) else plain:
            yield from _with_controls(value)
    elif isinstance(plain, str) and any(letter < " " for letter in plain):
        yield plain


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose names may be there once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found
