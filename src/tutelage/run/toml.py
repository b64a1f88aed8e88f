"""Writes JSON values as TOML, which the standard library reads but does not write."""

import json
import re
from typing import Any

from tutelage.errors import UserError


def written(plain: dict[str, Any]) -> str:
    """A dictionary as TOML: its plain values first, then a table for each dictionary, "options" in one line.

    A list of dictionaries is a table for each. A value that is None is left out, as TOML has no null.

    >>> print(written({"seed": 1, "fit": {"epochs": 3, "options": {"widths": [4, 8]}}}), end="")
    seed = 1
    <BLANKLINE>
    [fit]
    epochs = 3
    options = {widths = [4, 8]}
    >>> print(written({"teachers": [{"seed": 0}, {"seed": 1}]}), end="")
    <BLANKLINE>
    [[teachers]]
    seed = 0
    <BLANKLINE>
    [[teachers]]
    seed = 1

    Raises:
        UserError: a None within a list or in options, where leaving it out would change the meaning.
    """
    lines = [
        f"{name} = {_value(value)}"
        for name, value in plain.items()
        if not isinstance(value, dict | None) and not _is_tables(value)
    ]
    for name, value in plain.items():
        if isinstance(value, dict):
            lines += _table(name, value, f"[{name}]")
        elif _is_tables(value):
            for table in value:
                lines += _table(name, table, f"[[{name}]]")
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(name: str, fields: dict[str, Any], header: str) -> list[str]:
    nested = {key: value for key, value in fields.items() if isinstance(value, dict) and key != "options"}
    lines = ["", header]
    lines += [f"{key} = {_value(v)}" for key, v in fields.items() if key not in nested and v is not None]
    for key, value in nested.items():
        lines += _table(f"{name}.{key}", value, f"[{name}.{key}]")
    return lines


def _value(value: Any) -> str:
    if value is None:
        raise UserError("an option of this recipe is null, which TOML cannot say", "write the recipe as JSON")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # TOML's strings are JSON's, but for pairs of surrogates and an unescaped DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _value(key)
