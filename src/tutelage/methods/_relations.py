"""Holds what methods that compare samples or channels share: unit vectors, and batches that hold pairs."""

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import widened


def unit(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """Vectors along `dim` scaled to length 1; vectors shorter than 1e-8 become 0 and pass no gradient.

    torch's own `normalize` divides such vectors by a constant: their gradient is 1e12 times too large.
    """
    square = x.square().sum(dim, keepdim=True)
    long = square > 1e-16
    return torch.where(long, x / torch.where(long, square, 1).sqrt(), 0)


def pairs_of(x: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *rest"]:
    """`widened(x)`, refused where the batch has no pairs of samples.

    Raises:
        ValueError: B < 2.
    """
    if x.shape[0] < 2:
        raise ValueError(f"this method compares the samples of a batch: it needs 2 or more, not {x.shape[0]}")
    return widened(x)
