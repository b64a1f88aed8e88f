"""Composes methods: one whose teacher comes in slowly, and several as one.

On a command line kd+at is the sum of kd and at; `--method.second.teacher_weight 500` sets a field of at. A recipe
writes [method] name = "sum" with [method.first] name = "kd" and [method.second] name = "at"; or [method]
name = "warmed" with [method.method] name = "kd".
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

from torch import Tensor, nn

from tutelage.errors import UserError
from tutelage.methods import method_name
from tutelage.methods._common import ramp
from tutelage.methods.base import Epochs, Extended, Method, Weight
from tutelage.methods.finding import method_words

LABEL = "label"
"""The term that is the labels' own: never warmed up, and counted once in a sum."""


@dataclass(frozen=True)
class Warmed(Extended):
    """Every term of `method` but the labels' times min(epoch / epochs, 1)."""

    method: Method
    """Whose teacher comes in slowly."""
    epochs: Epochs = 20.0
    """Epochs in which the teacher's terms grow from 0 to their weight, >= 0; 20 in DKD and ReviewKD."""

    def losses(self, student, teacher, context, adapters):
        warmth = ramp(context.epoch, self.epochs)
        terms = checked(self.method.losses(student, teacher, context, adapters), self.method)
        return {name: term if name == LABEL else warmth * term for name, term in terms.items()}

    def parts(self, student, teacher, samples):
        return self.method.adapters(student, teacher, samples)

    def extended(self, student, adapters):
        return self.method.deployed(student, adapters)


@dataclass(frozen=True)
class Sum(Extended):
    """`first` plus `weight` times the terms of `second` other than the labels'."""

    first: Method
    """Brings the labels' term, if there is one."""
    second: Method
    """Its terms carry its name: "at_teacher"."""
    weight: Weight = 1.0
    """The weight of the second method's terms, on top of its own weights, >= 0."""

    def losses(self, student, teacher, context, adapters):
        terms = dict(checked(self.first.losses(student, teacher, context, adapters["first"]), self.first))
        others = checked(self.second.losses(student, teacher, context, adapters["second"]), self.second)
        for name, term in others.items():
            if name != LABEL:
                name = f"{method_name(self.second)}_{name}"
                terms[name] = terms.get(name, 0) + self.weight * term
        return terms

    def parts(self, student, teacher, samples):
        parts = {part: getattr(self, part).adapters(student, teacher, samples) for part in ("first", "second")}
        return nn.ModuleDict(parts)

    def extended(self, student, adapters):
        return self.second.deployed(self.first.deployed(student, adapters["first"]), adapters["second"])


def composed(*methods: Method) -> Method:
    """The sum of one or more methods with weight 1 each: `kd+at` is composed(KD(), AT())."""
    return reduce(Sum, methods)


def checked(terms: Any, method: Method) -> dict[str, Tensor]:
    """What a method's losses returned, where that can be trained with.

    Args:
        terms: What they returned.
        method: Whose they are.

    Raises:
        UserError: it is no dict, an empty one, or one of anything but scalars.
    """
    if not isinstance(terms, dict) or not terms:
        raise _no_terms(method, "an empty dict" if terms == {} else type(terms).__name__)
    for name, term in terms.items():
        if not isinstance(term, Tensor):
            raise _no_terms(method, f"a {type(term).__name__} as the term {name}")
        if term.ndim or not term.is_floating_point():
            kind = f"{str(term.dtype).removeprefix('torch.')} of shape {list(term.shape)}"
            raise _no_terms(method, f"{kind} as the term {name}")
    return terms


def _no_terms(method: Method, returned: str) -> UserError:
    return UserError(
        f"losses of {method_words(method)} returned {returned}, expected a dict of scalar tensors",
        'return {"label": label_cross_entropy(student.logits, context), "teacher": ...}, each a mean over the batch',
    )
