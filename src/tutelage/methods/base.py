"""What a method is: frozen numbers and one pure function.

A field's type may carry a `Range`: the check, the tuner's search space and the documentation in one place.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_type_hints

from torch import Tensor, nn

from tutelage.errors import UserError
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


Temperature = Annotated[float, Range(0, open=True, search=(1, 20), log=True)]
"""T > 0: divides logits before softmax; larger is softer."""
Share = Annotated[float, Range(0, 1, search=(0, 1))]
"""A share in [0, 1]."""
Weight = Annotated[float, Range(0, search=(0.1, 10), log=True)]
"""The weight of a term, >= 0. Methods whose published weight lies elsewhere give a `Range` of their own."""
Epochs = Annotated[float, Range(0)]
"""A duration in epochs; not tuned."""


VALUE_AND_GRADIENT, GRADIENT = "value and gradient", "gradient"
MEAN = "a mean over samples"


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
    """Frozen hyper-parameters plus `losses`. Subclasses are final."""

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What it reads of the teacher: any of "logits", "embedding", "features", "head"; empty: no teacher at all."""
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What it reads of the student: any of "logits", "embedding", "features"."""
    claims: ClassVar[Claims] = Claims()
    """What it promises beyond the contract of all methods."""
    mixable: ClassVar[bool] = True
    """False: the formula singles out one true class, so mixed labels (mixup, CutMix) have no meaning."""

    def __post_init__(self) -> None:
        for name, allowed in ranges(type(self)).items():
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(f"method.{name} = {value!r} is outside {allowed}", f"choose {name} in {allowed}")

    @abstractmethod
    def losses(self, student: Outputs, teacher: Outputs, context: Context, adapters: Any) -> dict[str, Tensor]:
        """Weighted scalar terms by name; training minimises their sum.

        Args:
            student: Outputs with gradient, float32.
            teacher: Outputs without gradient, float32; fields outside `needs` may be absent.
            context: Labels, sample numbers, epoch.
            adapters: What `adapters()` returned, trained along with the student.
        """

    def adapters(self, student: Sizes, teacher: Sizes, samples: int) -> nn.Module:
        """Trainable parts outside the student, sized from the two networks; none by default.

        Args:
            student: The student's shapes.
            teacher: The teacher's shapes.
            samples: The size of the training split (memory banks).
        """
        return nn.Identity()

    def pairing(self, student: Sizes, teacher: Sizes) -> tuple[tuple[int, int], ...]:
        """Which (student stage, teacher stage) are compared, for the log; none unless a method reads features."""
        return ()

    def deployed(self, student: nn.Module, adapters: nn.Module) -> nn.Module:
        """The network that is evaluated and exported: the student itself, unless a method keeps parts of its own."""
        return student
