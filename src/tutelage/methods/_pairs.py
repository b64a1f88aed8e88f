"""Chooses which stage of the student learns from which stage of the teacher."""

from itertools import combinations, pairwise
from math import log2

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.errors import UserError, unknown
from tutelage.outputs import Sizes

Pair = tuple[int, int]
"""Positions of a student's and a teacher's stage, from 0."""


def pair_stages(student: Sizes, teacher: Sizes, pairs: tuple[str, ...] = ()) -> tuple[Pair, ...]:
    """The stages to compare, shallow to deep.

    Equal numbers of stages are paired in order. Otherwise every stage of the network with fewer gets its own stage of
    the other, in order, so that the resolutions differ least: the least sum of |log2(side / side)|, and among equals
    the deepest, which is what zip() of two lists gets wrong.

    Args:
        student: With features.
        teacher: With features.
        pairs: "student:teacher", each a module path or a position from 0; empty: as above.

    Raises:
        UserError: a network without stages, a text that names no pair, or a stage that does not exist.
    """
    require_stages(student, teacher)
    if pairs:
        return tuple(_parse(text, student, teacher) for text in pairs)
    few, many = sorted((student.features, teacher.features), key=len)
    chosen = min(
        combinations(range(len(many)), len(few)),
        key=lambda picks: (
            round(sum(abs(log2(_side(few[i]) / _side(many[j]))) for i, j in enumerate(picks)), 9),
            [-j for j in reversed(picks)],
        ),
    )
    rows = tuple(enumerate(chosen))
    return rows if len(student.features) <= len(teacher.features) else tuple((j, i) for i, j in rows)


def require_stages(student: Sizes, teacher: Sizes) -> None:
    """Raises UserError where a network has no stages."""
    for name, sizes in (("student", student), ("teacher", teacher)):
        if not sizes.features:
            raise UserError(
                f"the {name} has no feature stages to compare", f"name them: --{name}.stages layer1,layer2,layer3"
            )


def describe_pairs(student: Sizes, teacher: Sizes, pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    """One line a pair, for the log.

    >>> small = Sizes(10, features=((16, 32, 32), (32, 16, 16)), stages=("layer1", "layer2"))
    >>> describe_pairs(small, small, ((0, 1),))
    ('student layer1 [16, 32, 32] <- teacher layer2 [32, 16, 16]',)
    """
    return tuple(f"student {stage(student, i)} <- teacher {stage(teacher, j)}" for i, j in pairs)


def stage(sizes: Sizes, position: int) -> str:
    """A stage's module path and shape, for messages."""
    name = sizes.stages[position] if sizes.stages else f"stage {position}"
    return f"{name} {list(sizes.features[position])}"


def ascending(student: Sizes, teacher: Sizes, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The pairs themselves, refused where a later pair is not deeper in both networks.

    Raises:
        UserError: naming the first such neighbours.
    """
    for before, after in pairwise(pairs):
        if after[0] <= before[0] or after[1] <= before[1]:
            first, second = describe_pairs(student, teacher, (before, after))
            raise UserError(
                f"this method needs pairs from shallow to deep in both networks, not {first} before {second}",
                "reorder method.pairs, or leave it empty",
            )
    return pairs


def same_size(
    a: Float[Tensor, "B C _ _"], b: Float[Tensor, "B D _ _"]
) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B D h w"]]:
    """Both maps at the smaller height and the smaller width: means over the cells of the larger map."""
    height, width = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
    return shrink(a, height, width), shrink(b, height, width)


def shrink(x: Float[Tensor, "B C _ _"], height: int, width: int) -> Float[Tensor, "B C {height} {width}"]:
    """Adaptive average pooling; where the sizes divide, by the kernel whose gradient is deterministic on a GPU."""
    if x.shape[2] % height or x.shape[3] % width:
        return F.adaptive_avg_pool2d(x, (height, width))
    return F.avg_pool2d(x, (x.shape[2] // height, x.shape[3] // width))


def _side(shape: tuple[int, int, int]) -> float:
    return (shape[1] * shape[2]) ** 0.5


def _parse(text: str, student: Sizes, teacher: Sizes) -> Pair:
    names = text.split(":")
    if len(names) != 2:
        raise UserError(f'method.pairs has "{text}": not a pair', 'write "student stage:teacher stage", e.g. layer2:1')
    return _position(names[0], student, "student"), _position(names[1], teacher, "teacher")


def _position(name: str, sizes: Sizes, whose: str) -> int:
    if name in sizes.stages:
        return sizes.stages.index(name)
    if name.isdecimal() and int(name) < len(sizes.features):
        return int(name)
    known = [stage(sizes, i) for i in range(len(sizes.features))]
    raise UserError(
        unknown(f"{whose} stage", name, sizes.stages).message,
        f"stages of the {whose}: " + ", ".join(f"{i} = {text}" for i, text in enumerate(known)),
    )
