"""Says which numbers of a method a search varies, and makes the method with other numbers; fields carry the ranges."""

import dataclasses
from typing import Any

from tutelage.methods.base import Method, Range, ranges


def space(method: Method, where: str = "") -> dict[str, Range]:
    """The fields that tuning varies, dotted for the parts of a composition, and their ranges.

    >>> from tutelage.methods import KD
    >>> {name: allowed.search for name, allowed in space(KD()).items()}
    {'temperature': (1, 20), 'alpha': (0, 1)}
    """
    found = {}
    for f in dataclasses.fields(method):
        value, allowed = getattr(method, f.name), ranges(type(method)).get(f.name)
        if isinstance(value, Method):
            found |= space(value, f"{where}{f.name}.")
        elif allowed is not None and allowed.search is not None:
            found[f"{where}{f.name}"] = allowed
    return found


def with_values(method: Method, values: dict[str, float]) -> Method:
    """The method with other values of the fields that `space` names."""
    for name, value in values.items():
        first, _, rest = name.partition(".")
        changed = with_values(getattr(method, first), {rest: value}) if rest else value
        method = dataclasses.replace(method, **{first: changed})
    return method


def values_of(method: Method) -> dict[str, float]:
    """The values that a method has in its `space`."""
    found = {}
    for name in space(method):
        value: Any = method
        for part in name.split("."):
            value = getattr(value, part)
        found[name] = value
    return found
