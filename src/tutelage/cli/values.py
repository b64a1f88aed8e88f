"""Knows every flag of a command that takes a recipe, and checks the words behind each against its field's type."""

import dataclasses
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tutelage.errors import UserError
from tutelage.methods.base import Range
from tutelage.run import parsing

DASHES = "\u2013\u2014\u2212"
"""What text programs and web pages make of two hyphens."""


def grouped(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """Every flag with the words that belong to it."""
    groups: list[tuple[str, list[str]]] = []
    for word in arguments:
        if word.startswith("--") or word == "-h" or not groups:
            flag, equals, value = word.partition("=")
            groups.append((flag, [value] if equals else []))
        else:
            groups[-1][1].append(word)
    return groups


def check_dashes(arguments: list[str]) -> None:
    """Refuses flags whose hyphens a text program has made into a dash, and hyphens without a flag.

    Raises:
        UserError: there is one.
    """
    for word in arguments:
        name = word.lstrip(f"{DASHES}-")
        if word.startswith(tuple(DASHES)) and name[:1].isalpha():
            raise UserError(f"{word} begins with a dash, not with two hyphens", f"write --{name}")
        if word == "--":
            raise UserError("-- stands alone: no flag has that name", "leave it out, or write the flag right behind it")


def flags_of(record: Any, prefix: str = "--") -> Iterator[tuple[str, Any]]:
    """Every flag with the type of its field, also of the records within; those of the recipe have no name before them.

    Args:
        record: All flags at their defaults.
        prefix: What stands before the names.
    """
    kinds = get_type_hints(type(record), include_extras=True)
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{prefix}{field.name.replace('_', '-')}"
        if dataclasses.is_dataclass(value):
            yield from flags_of(value, "--" if field.name == "recipe" else f"{name}.")
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for number, member in enumerate(value):
                yield from flags_of(member, f"{name}.{number}.")
        else:
            yield name, kinds[field.name]


def check_words(written: list[tuple[str, list[str]]], defaults: Any) -> None:
    """Refuses words that are no value of their flag's field. Flags that do not exist are left for others to name.

    Args:
        written: Each flag with the words behind it.
        defaults: All flags at their defaults.

    Raises:
        UserError: a word of another type, outside the field's range, none of the choices, or no word where one is
            needed.
    """
    kinds = dict(flags_of(defaults))
    for flag, words in written:
        kind = kinds.get(flag.replace("_", "-"))
        if kind is not None:
            _check(flag, words, kind)


def _check(flag: str, words: list[str], annotated: Any) -> None:
    kind = _bare(annotated)
    if get_origin(kind) is tuple:
        each = _bare(get_args(kind)[0])
        if dataclasses.is_dataclass(each):
            raise UserError(f"{flag} takes no value", f"write {flag.removesuffix('s')} once for each")
        for word in words:
            parsing.parsed(get_args(kind)[0], _as_plain(word, each), flag)
    elif not words:
        raise UserError(f"{flag} has no value behind it", f"write {_expected(kind)} behind {flag}")
    elif kind is Path and not words[0]:
        raise UserError(f"{flag} is empty", "is a variable of your shell not set? write . where this folder is meant")
    elif kind in (int, float, bool) or get_origin(kind) is Literal:
        value = parsing.parsed(kind, _as_plain(words[0], kind), flag)
        for allowed in getattr(annotated, "__metadata__", ()):
            if isinstance(allowed, Range) and value not in allowed:
                raise allowed.refusal(flag.removeprefix("--").replace("-", "_"), value)


def _bare(kind: Any) -> Any:
    """The type without the remarks around it, and without None beside it."""
    if hasattr(kind, "__metadata__"):
        return _bare(kind.__origin__)
    if get_origin(kind) is types.UnionType:
        return _bare(next(arm for arm in get_args(kind) if arm is not type(None)))
    return kind


def _as_plain(word: str, kind: Any) -> Any:
    """The value that a word says as that type; the word where it says none."""
    if kind is bool:
        return {"true": True, "false": False}.get(word.lower(), word)
    if kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            return word
    return word


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    return parsing.WORDS.get(kind, "a value")
