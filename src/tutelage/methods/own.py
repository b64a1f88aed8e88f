"""Looks at the class of a user's own method: can a recipe hold it, and can its computations be asked for?"""

import inspect
from dataclasses import fields

from tutelage.errors import UserError
from tutelage.methods.base import PARTS, Adapted, Extended, Method

COMPUTATIONS = {
    "losses": (Method, ("student", "teacher", "context", "adapters")),
    "parts": (Adapted, ("student", "teacher", "samples")),
    "extended": (Extended, ("student", "adapters")),
}
"""What a method defines, for which class, and with which arguments it is called."""


def check_class(name: str, cls: type[Method]) -> None:
    """Refuses a class that is no whole method.

    Args:
        name: `FILE.py:CLASS`.
        cls: What the file defines under that name.

    Raises:
        UserError: a computation is missing or takes other arguments, a field is none for want of the decorator, or
            `needs` names what no network answers.
    """
    for computation, (of, arguments) in COMPUTATIONS.items():
        written = f"write def {computation}(self, {', '.join(arguments)}) in it"
        if computation in cls.__abstractmethods__:
            raise UserError(f"{name} does not define {computation}", written)
        if issubclass(cls, of) and not _takes(getattr(cls, computation), 1 + len(arguments)):
            raise UserError(f"{name}.{computation} does not take {', '.join(arguments)}", written)
    if "__dataclass_params__" not in vars(cls):
        lost = [field for field, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind)]
        if lost:
            raise UserError(
                f"{name} has no decorator, so that {' and '.join(lost)} cannot be set",
                f"write @dataclass(frozen=True) in the line above class {cls.__name__}",
            )
    _check_needs(name, cls)


def _takes(function: object, arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*range(arguments))  # ty: ignore[invalid-argument-type]
    except TypeError:
        return False
    return True


def _check_needs(name: str, cls: type[Method]) -> None:
    for declared in ("needs", "student_needs"):
        value = getattr(cls, declared)
        known = [part for part in PARTS if part != "head" or declared == "needs"]
        if isinstance(value, property):
            continue
        is_set = isinstance(value, set | frozenset) and declared not in {field.name for field in fields(cls)}
        if not is_set or not value <= set(known):
            raise UserError(
                f"{name}: {declared} = {_plain(value)} is no set of what a network answers: {', '.join(known)}",
                f'write {declared}: ClassVar[frozenset[str]] = frozenset({{"logits"}}), for example',
            )


def _plain(value: object) -> str:
    return repr(sorted(map(str, value))) if isinstance(value, set | frozenset) else repr(value)
