"""Finds a method by the words of a recipe, and its words again: a name of METHODS, FILE.py:CLASS, or "kd+at"."""

import dataclasses
from dataclasses import MISSING
from functools import cache, reduce
from typing import Any

from tutelage import userfile
from tutelage.errors import UserError
from tutelage.methods import COMBINATIONS, method_class, method_name
from tutelage.methods.base import Method
from tutelage.methods.declared import wanted
from tutelage.methods.own import check_class
from tutelage.names import shown

LABELS_ALONE = ("baseline", "label_smoothing")
"""Methods without any other term."""


def find_method(name: str) -> type[Method]:
    """A method's class: by its name in METHODS, or `FILE.py:CLASS`."""
    if name.endswith(".py"):
        raise UserError(f"{shown(name)} is a file, not a method", f"name the class in it: {shown(name)}:NAME")
    if ":" not in name:
        return method_class(name)
    return _of_file(name, userfile.digest(name), wanted.get())


@cache
def _of_file(name: str, code: str, declared: bool) -> type[Method]:
    """One class as long as the code is the same, so that recipes with it are equal; another among declarations."""
    found = userfile.load(name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise UserError(f"{name} is not a method", "derive it from tutelage.methods.Method")
    check_class(name, found)
    found.label = name
    return found


def method_at_defaults(name: str) -> Method:
    """A method with its published numbers; "kd+at" adds the terms of the second to the first."""
    both: Any = method_class("sum")
    parts = [_part_at_defaults(part, name) for part in name.split("+")]
    if idle := [label for part in parts[1:] if (label := method_label(part)) in LABELS_ALONE]:
        raise UserError(
            f"{idle[0]} behind a plus adds nothing: the labels' term of a second method is left out",
            f"leave it out, or write it first: {idle[0]}+kd",
        )
    return reduce(both, parts)


def _part_at_defaults(part: str, name: str) -> Method:
    """One of the methods that a name says.

    Raises:
        UserError: there is none, or one that has no defaults.
    """
    names = [each.strip() for each in part.split(",")]
    if not all(names):
        raise UserError(
            f'the name of a method is empty in "{shown(name)}"' if name else "the name of a method is empty",
            "is there a plus or a comma too many? write kd+at, with a method on either side",
        )
    if len(names) > 1:
        apart, added = (shown(sign.join(names)) for sign in ",+")
        raise UserError(
            f'"{shown(part)}" is more than one method',
            f"to compare them: tutelage distill RECIPE {apart}; to add their terms: {added}",
        )
    cls = find_method(part.strip())
    lacking = [f.name for f in dataclasses.fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    if lacking and part in COMBINATIONS:
        raise UserError(
            f"{part} is made of other methods, which its name does not say",
            "write kd+at for the sum of two; a recipe file can hold both (tutelage explain sum, explain warmed)",
        )
    if lacking:
        raise UserError(
            f"{shown(part)} has no default for {' and '.join(lacking)}",
            f"write one in the file, or name the method in a recipe: [method] with name and {' and '.join(lacking)}",
        )
    return cls()


def method_label(method: Method) -> str:
    """The name under which a recipe knows a method's class."""
    return getattr(type(method), "label", method_name(method))


def method_words(method: Method) -> str:
    """A method in a word or two: "kd", or "kd+at" for a composition."""
    values = (getattr(method, f.name) for f in dataclasses.fields(method))
    return "+".join(method_words(value) for value in values if isinstance(value, Method)) or method_label(method)


def is_baseline(method: Method) -> bool:
    """Whether it is the training without a teacher that gains are over."""
    return method_label(method) == "baseline"


def temperatures(method: Method) -> tuple[float, ...]:
    """At which a method, or the parts of a composition, softens the teacher's logits, ascending; empty: it does not."""
    values = [getattr(method, f.name) for f in dataclasses.fields(method)]
    parts = [value for value in values if isinstance(value, Method)]
    if parts:
        return tuple(sorted({t for part in parts for t in temperatures(part)}))
    own = getattr(method, "temperature", None)
    return () if own is None or "logits" not in method.needs else (float(own),)
