"""Holds what methods that read logits of an image's parts share: the grids, and who has such logits."""

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage.errors import UserError
from tutelage.outputs import GRID, Sizes


def grid(regions: Float[Tensor, "B 16 C"], side: int) -> Float[Tensor, "B R C"]:
    """The logits of side x side parts, row by row: the final layer is linear, so they are means of the finest grid's.

    Args:
        regions: Of GRID x GRID parts.
        side: 1, 2 or 4.
    """
    batch, _, classes = regions.shape
    cells = regions.view(batch, side, GRID // side, side, GRID // side, classes)
    return cells.mean((2, 4)).flatten(1, 2)


def pyramid(regions: Float[Tensor, "B 16 C"]) -> Float[Tensor, "B 21 C"]:
    """The whole image, its quarters and its sixteenths."""
    return torch.cat([grid(regions, side) for side in (1, 2, 4)], dim=1)


def require_regions(student: Sizes, teacher: Sizes) -> None:
    """Raises UserError where a network's parts have no logits."""
    for whose, sizes in (("student", student), ("teacher", teacher)):
        if not sizes.regions:
            raise UserError(
                f"this method reads logits of an image's parts, and the {whose} does not end in a linear layer on the "
                "mean of its last stage",
                f"name the map that is averaged as the last of --{whose}.stages, or use kd",
            )
