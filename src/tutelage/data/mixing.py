"""Draws what views of a second image are mixed in: its share, and the box of CutMix, for all images alike."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

ROW, COLUMN, FLIP, CUT_ROW, CUT_COLUMN, SHARE, BOX_ROW, BOX_COLUMN = range(8)
"""The draws of one view."""
_QUANTILES = 4096


def span(draw: Float32[Tensor, " B"], length: Int64[Tensor, " B"], side: int) -> Bool[Tensor, "B S"]:
    """Which of 0..side-1 lie within `length` around a centre drawn uniformly; what sticks out is clipped."""
    start = (draw * side).long() - length // 2
    position = torch.arange(side, device=draw.device) - start[:, None]
    return (position >= 0) & (position < length[:, None])


def beta(draw: Float32[Tensor, " B"], alpha: float) -> Float32[Tensor, " B"]:
    """Beta(alpha, alpha) by inversion: uniform where alpha is 1, else one of 4,096 fixed quantiles."""
    if alpha == 1:
        return draw
    return _beta_quantiles(alpha, draw.device)[(draw * _QUANTILES).long()]


@lru_cache(maxsize=8)
def _beta_quantiles(alpha: float, device: torch.device) -> Float32[Tensor, " 4096"]:
    """Quantiles at the midpoints (k + 0.5) / 4096, rounded to multiples of 1 / 4096 below 1.

    Computed in float64 and rounded so coarsely, they do not depend on the version of scipy.
    """
    from scipy.special import betaincinv

    quantiles = betaincinv(alpha, alpha, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    steps = np.minimum(np.rint(quantiles * _QUANTILES), _QUANTILES - 1)
    return torch.from_numpy((steps / _QUANTILES).astype(np.float32)).to(device)


def cutmix_box(
    draws: Float32[Tensor, "B 8"], share: Float32[Tensor, " B"], height: int, width: int
) -> Bool[Tensor, "B H W"]:
    """CutMix's box: of the image's aspect ratio and, before clipping, the share as its area."""
    side = share.double().sqrt()
    box = span(draws[:, BOX_ROW], (side * height).long(), height)[:, :, None]
    return box & span(draws[:, BOX_COLUMN], (side * width).long(), width)[:, None, :]
