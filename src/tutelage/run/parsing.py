"""Turns records into JSON values and back, for recipes: what is written is checked against the fields' types.

A record is a frozen dataclass whose fields are numbers, text, lists, tables or records; a method carries its name.
"""

import dataclasses
import types
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tutelage.errors import UserError, unknown
from tutelage.methods.base import Method
from tutelage.methods.finding import find_method, method_label
from tutelage.run.plain_values import shown

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", tuple: "a list", dict: "a table"}
"""Types as people say them."""


def as_plain(value: Any) -> Any:
    """A record, or what a field of one may hold, as JSON values."""
    if dataclasses.is_dataclass(value):
        name = {"name": method_label(value)} if isinstance(value, Method) else {}
        return name | {f.name: as_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return value


def without_defaults(record: Any) -> dict[str, Any]:
    """A record as JSON values, without the fields that are at their default."""
    values: dict[str, Any] = {"name": method_label(record)} if isinstance(record, Method) else {}
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if dataclasses.is_dataclass(value):
            values[f.name] = without_defaults(value)
        elif value != (f.default if f.default_factory is dataclasses.MISSING else f.default_factory()):
            values[f.name] = as_plain(value)
    return values


def parsed(kind: Any, plain: Any, where: str) -> Any:
    """A value of the annotated type `kind` from JSON values.

    Args:
        kind: A record's class, or the type of one of its fields.
        plain: As JSON or TOML give it.
        where: Its address in the recipe, for messages; empty: the recipe itself.

    Raises:
        UserError: a field that does not exist, one that is missing, or a value of another type.
    """
    origin = get_origin(kind)
    if hasattr(kind, "__metadata__"):
        return parsed(kind.__origin__, plain, where)
    if kind is Any or (origin is None and isinstance(kind, type) and type(plain) is kind):
        return plain
    if isinstance(kind, type) and issubclass(kind, Method):
        return _method(plain, where)
    if dataclasses.is_dataclass(kind):
        return _fields(kind, _object(plain, where), where)
    if origin is Literal:
        if plain not in get_args(kind):
            raise unknown(f"value of {where}:", str(plain), [str(choice) for choice in get_args(kind)])
        return plain
    if origin in (types.UnionType,):
        if plain is None:
            return None
        return parsed(next(arm for arm in get_args(kind) if arm is not type(None)), plain, where)
    if origin is tuple and isinstance(plain, list | tuple):
        return tuple(parsed(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(plain))
    if origin is dict and isinstance(plain, dict):
        return plain
    if kind is float and type(plain) is int:
        return float(plain)
    expected = WORDS.get(origin or kind, str(kind))
    raise UserError(f"{where} = {shown(plain)} is not {expected}", f"write {expected} for {where}")


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a record's fields: Python works them out anew each time."""
    return get_type_hints(kind, include_extras=True)


def _fields(kind: Any, plain: dict[str, Any], where: str) -> Any:
    hints = _hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]
    values = {}
    for name, value in plain.items():
        if name not in known:
            raise unknown("field", f"{where}.{name}".lstrip("."), [f"{where}.{k}".lstrip(".") for k in known])
        values[name] = parsed(hints[name], value, f"{where}.{name}".lstrip("."))
    for f in dataclasses.fields(kind):
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and f.name not in values:
            raise UserError(f"{where} has no {f.name}", f"give {where}.{f.name} a value")
    try:
        return kind(**values)
    except UserError as error:  # its fields call themselves "fit.epochs", wherever they stand
        own = ("method" if issubclass(kind, Method) else where.rpartition(".")[2]) + "."
        message = f"{where}.{error.message.removeprefix(own)}" if error.message.startswith(own) else error.message
        raise UserError(message, error.hint) from None


def _method(plain: Any, where: str) -> Method:
    if isinstance(plain, str):
        raise UserError(
            f"{where} = {shown(plain)} is not a table", f"write [{where}] and under it name = {shown(plain)}"
        )
    fields = dict(_object(plain, where))
    if "name" not in fields:
        raise UserError(f"{where} has no name", f'write name = "kd" in [{where}]')
    name = parsed(str, fields.pop("name"), f"{where}.name")
    if not name:
        raise UserError(f"{where}.name is empty", f'write name = "kd" in [{where}]')
    if "+" in name and ":" not in name:
        raise UserError(
            f"{where}.name = {shown(name)} is more than one method",
            f'write name = "sum" in [{where}], and name = "kd" in [{where}.first], name = "at" in [{where}.second]',
        )
    return _fields(find_method(name), fields, where)


def _object(plain: Any, where: str) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise UserError(f"{where} = {shown(plain)} is not a table", f"write [{where}] with fields under it")
    return plain
