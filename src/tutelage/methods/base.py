"""Defines what a method is: frozen numbers and one pure function.

A field's type may carry a `Range`: the check, the tuner's search space and the documentation in one place.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, final, get_type_hints

from tutelage.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tutelage.outputs import Context, Outputs, Sizes


class Range(NamedTuple):
    """The values a numeric field may take, and where a search should look."""

    low: float
    high: float = math.inf
    open: bool = False
    """True: `low` itself is not allowed."""
    search: tuple[float, float] | None = None
    """Where tuning looks; None: this field is not tuned."""
    log: bool = False
    """Search on a logarithmic scale."""

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (self.low < value if self.open else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        left = "(" if self.open else "["
        right = ")" if math.isinf(self.high) else "]"
        return f"{left}{self.low:g}, {self.high:g}{right}"

    def refusal(self, where: str, value: object) -> UserError:
        """The error for a value outside.

        Args:
            where: The address of its field.
            value: What was written there.
        """
        finite = isinstance(value, int | float) and math.isfinite(value)
        wrong = f"outside {self}" if finite else "not a finite number"
        return UserError(f"{where} = {value!r} is {wrong}", f"choose {where.rpartition('.')[2]} in {self}")


Temperature = Annotated[float, Range(0, open=True, search=(1, 20), log=True)]
"""T > 0: divides logits before softmax; larger is softer."""
Share = Annotated[float, Range(0, 1, search=(0, 1))]
"""A share in [0, 1]."""
Weight = Annotated[float, Range(0, search=(0.1, 10), log=True)]
"""The weight of a term, >= 0. Methods whose published weight lies elsewhere give a `Range` of their own."""
Epochs = Annotated[float, Range(0)]
"""A duration in epochs; not tuned."""


PARTS = ("logits", "embedding", "features", "regions", "rotations", "head")
"""What a method may read of a network: fields of `Outputs`, and of the teacher its last layer, "head"."""
VALUE_AND_GRADIENT, GRADIENT = "value and gradient", "gradient"
MEAN = "a mean over samples"


class Published(NamedTuple):
    """For how many classes and which batches a weight was published whose term does not keep its size elsewhere."""

    field: str
    """The weight's name."""
    by_classes: float
    """The power of (classes / C) with which the term's pull at a logit grows beside that of the labels ..."""
    by_batch: float = 0.0
    """... and the power of (B / batch)."""
    classes: int = 100
    """Those of CIFAR-100."""
    batch: int = 64
    """Images a step there."""

    def times(self, classes: int, batch: int) -> float:
        """How much heavier the same weight is with these classes and batches.

        >>> Published("class_weight", by_classes=2, by_batch=2).times(10, 128)
        400.0
        """
        return (self.classes / classes) ** self.by_classes * (batch / self.batch) ** self.by_batch

    def condition(self) -> str:
        """What it was published for, in words."""
        return f"{self.classes} classes" + (f" and batches of {self.batch}" if self.by_batch else "")


class Claims(NamedTuple):
    """What a method says of itself beyond the contract that all keep, and why; the contract's tests hold it to that."""

    zero: str = ""
    """What vanishes where the student equals the teacher: VALUE_AND_GRADIENT, GRADIENT, or nothing."""
    why: str = ""
    """Why that vanishes, or why nothing does."""
    duplicates: str = ""
    """Why a batch twice over has the same loss (`MEAN`, mostly); empty: not claimed."""
    three_classes: bool = False
    """True: two classes are refused, since the formula is empty there."""
    same_shapes: str = ""
    """Why the student's stages must have the teacher's channels; empty: they need not."""
    stopped: str = ""
    """What the formula holds constant, so that its gradient is not that of its value; empty: nothing."""
    couples_batch: str = ""
    """What ties the samples of a batch together beside batch norm, so that its loss is not the mean of its parts'
    losses: several processes gather the whole batch for it, and `fit.accumulate` is refused. Empty: nothing."""
    batch_norm: str = ""
    """In which of its adapters there is batch norm, whose statistics several processes share; empty: in none."""
    two_views: str = ""
    """What its published results owe to two views of an image a step; empty: they stand on one."""
    published: tuple[Published, ...] = ()
    """Weights whose published values are for one number of classes or size of batches; empty: none is known to be."""


@cache
def ranges(method: "type[Method]") -> dict[str, Range]:
    """The `Range` of every field of a method class that has one."""
    hints = get_type_hints(method, include_extras=True)
    found = {}
    for field in fields(method):
        for extra in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(extra, Range):
                found[field.name] = extra
    return found


@dataclass(frozen=True)
class Method(ABC):
    """Frozen hyper-parameters plus `losses`, the one thing that a method has to define."""

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What it reads of the teacher: fields of `Outputs`, and its "head"; empty: there is none."""
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What it reads of the student: fields of `Outputs`."""
    claims: ClassVar[Claims] = Claims()
    """What it promises beyond the contract of all methods."""
    mixable: ClassVar[bool] = True
    """False: the formula singles out one true class, so mixed labels (mixup, CutMix) have no meaning."""

    @final
    def __post_init__(self) -> None:
        for name, allowed in ranges(type(self)).items():
            value = getattr(self, name)
            if value not in allowed:
                raise allowed.refusal(f"method.{name}", value)
        for name in _made_of(type(self)):
            if not isinstance(value := getattr(self, name), Method):
                raise UserError(
                    f"{type(self).__name__}.{name} = {value!r} is not a method with its numbers",
                    "write it as one: KD(), or method_class('kd')()",
                )
        parts = [value for f in fields(self) if isinstance(value := getattr(self, f.name), Method)]
        if parts:  # what a class declares for its instances, a method made of others reads off them
            object.__setattr__(self, "needs", frozenset().union(*(part.needs for part in parts)))
            object.__setattr__(self, "student_needs", frozenset().union(*(part.student_needs for part in parts)))
            object.__setattr__(self, "mixable", all(part.mixable for part in parts))
            coupled = dict.fromkeys(filter(None, (part.claims.couples_batch for part in parts)))
            normed = dict.fromkeys(filter(None, (part.claims.batch_norm for part in parts)))
            views = dict.fromkeys(filter(None, (part.claims.two_views for part in parts)))
            claims = self.claims._replace(
                couples_batch=", ".join(coupled), batch_norm=", ".join(normed), two_views=", ".join(views)
            )
            object.__setattr__(self, "claims", claims)
            kept = [type(leaf).__name__ for leaf in leaves(self) if isinstance(leaf, Extended)]
            if len(kept) > 1:
                raise UserError(
                    f"{' and '.join(kept)} each leave a part of their own in the student, which keeps one",
                    "leave all but one of them out of the sum",
                )

    @abstractmethod
    def losses(self, student: "Outputs", teacher: "Outputs", context: "Context", adapters: Any) -> "dict[str, Tensor]":
        """Weighted scalar terms by name; training minimises their sum.

        Args:
            student: Outputs with gradient, float32.
            teacher: Outputs without gradient, float32; fields outside `needs` may be absent.
            context: Labels, sample numbers, epoch.
            adapters: What `adapters()` returned, trained along with the student.
        """

    @final
    def adapters(self, student: "Sizes", teacher: "Sizes", samples: int) -> "nn.Module":
        """The parts outside the student that `losses` gets: those of an `Adapted` method, none for others.

        Args:
            student: The student's shapes.
            teacher: The teacher's shapes.
            samples: The size of the training split (memory banks).
        """
        from torch import nn

        if not isinstance(self, Adapted):
            return nn.Identity()
        parts = self.parts(student, teacher, samples)
        if not isinstance(parts, nn.Module):
            raise UserError(
                f"{type(self).__name__}.parts returned {type(parts).__name__}, expected a torch.nn.Module",
                "return a module with all that is trained; several parts go into an nn.ModuleDict",
            )
        return parts

    @final
    def deployed(self, student: "nn.Module", adapters: "nn.Module") -> "nn.Module":
        """The network that is evaluated and exported: that of an `Extended` method, for others the student itself."""
        return self.extended(student, adapters) if isinstance(self, Extended) else student


@cache
def _made_of(method: type[Method]) -> list[str]:
    """The fields of a class that hold methods."""
    return [name for name, kind in get_type_hints(method).items() if kind is Method]


def leaves(method: Method) -> Iterator[Method]:
    """The methods that one is made of, itself where it is made of none."""
    parts = [part for f in fields(method) if isinstance(part := getattr(method, f.name), Method)]
    for part in parts:
        yield from leaves(part)
    if not parts:
        yield method


@dataclass(frozen=True)
class Adapted(Method):
    """A method with parts of its own between the two networks, trained along with the student."""

    @abstractmethod
    def parts(self, student: "Sizes", teacher: "Sizes", samples: int) -> "nn.Module":
        """Those parts, sized from the two networks: the arguments and the result of `adapters`."""


@dataclass(frozen=True)
class Extended(Adapted):
    """A method that leaves some of its parts in the network that is evaluated and exported."""

    @abstractmethod
    def extended(self, student: "nn.Module", adapters: "nn.Module") -> "nn.Module":
        """That network: the student and what it keeps of the adapters, shared and not copied."""
