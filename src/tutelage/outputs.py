"""Defines the records that all parts exchange: what a network says about a batch, and what is known besides.

They are NamedTuples, not dataclasses: mixed precision walks the arguments of `forward`, and dynamo traces them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

GRID = 4
"""Parts of an image in each direction of which `Outputs.regions` has the logits."""


class Rotations(NamedTuple):
    """What one network says about each image of a batch, rotated by 90, 180 and 270 degrees, in this order."""

    logits: Float[Tensor, "B 3 C"]
    embedding: Float[Tensor, "B 3 D"]


class Outputs(NamedTuple):
    """What one network says about one batch."""

    logits: Float[Tensor, "B C"]
    """Before softmax. `C` is 0 where there is no teacher."""
    embedding: Float[Tensor, "B D"] | None = None
    """The input of the final linear layer."""
    features: tuple[Float[Tensor, "B _ _ _"], ...] = ()
    """Stage outputs [B, channels, height, width], shallow to deep; NCHW shapes whatever the memory format."""
    regions: Float[Tensor, "B 16 C"] | None = None
    """Logits of the image's parts on a grid of GRID x GRID, row by row: the final layer on the last stage's mean over
    each part. Where the parts are equally large, their mean is `logits`."""
    rotations: Rotations | None = None
    """The same of the image rotated."""

    def mapped(self, function: Callable[..., Any], *others: "Outputs") -> "Outputs":
        """Outputs of the function of every tensor here, and of those in its place in others."""
        return _mapped(function, self, *others)


class Context(NamedTuple):
    """What a method may know about a batch besides the two networks' outputs."""

    labels: Int64[Tensor, " B"]
    sample: Int64[Tensor, " B"]
    """Positions in the training split (memory banks)."""
    epoch: float
    """Epochs completed, fractional (warm-ups)."""
    partner_labels: Int64[Tensor, " B"] | None = None
    """mixup, CutMix: the labels mixed in ..."""
    partner_share: Float[Tensor, " B"] | None = None
    """... and their share of the image, in [0, 1)."""
    views: int = 1
    """Views of each image in the batch: first all first ones, then all second ones in the same order."""


def _mapped(function: Callable[..., Any], *parts: Any) -> Any:
    if parts[0] is None or isinstance(parts[0], Tensor):
        return None if parts[0] is None else function(*parts)
    found = tuple(_mapped(function, *inner) for inner in zip(*parts, strict=True))
    return found if type(parts[0]) is tuple else type(parts[0])(*found)


class Head(NamedTuple):
    """The final linear layer of a classifier: logits = embedding @ weight.T + bias."""

    weight: Float[Tensor, "C D"]
    bias: Float[Tensor, " C"]


class Sizes(NamedTuple):
    """The shapes of one network's `Outputs`, without the batch: what adapters are sized from."""

    classes: int
    embedding: int | None = None
    features: tuple[tuple[int, int, int], ...] = ()
    """(channels, height, width) of every stage, shallow to deep."""
    stages: tuple[str, ...] = ()
    """The stages' module paths, for messages: same length as `features`."""
    head: Head | None = None
    """The teacher's last layer, for methods whose `needs` has "head"."""
    regions: bool = False
    """Whether parts of an image have logits: the last layer is linear, on the mean of the last stage."""
