"""A first convolution that whitens: its filters point along the principal axes of the images' patches.

Source: Jordan 2024, arXiv:2404.00498, section 3.2 (each axis and its negative).
Departures: filters keep the norms they had, so that no learning rate has to change, and are trained like all others.
Where a norm follows, as it does in most networks, it divides each output by its deviation; then the outputs are white.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from tutelage.errors import UserError
from tutelage.models.tap import Tapped


@torch.no_grad()
def whiten(network: Tapped, pixels: Float[Tensor, "B C H W"]) -> None:
    """Sets the network's first convolution; filters beyond two for each axis stay as they are.

    Args:
        network: With random weights.
        pixels: Training images, in [0, 1].

    Raises:
        UserError: no convolution reads the images themselves.
    """
    first = next((part for part in network.network.modules() if isinstance(part, nn.Conv2d)), None)
    if first is None or first.weight.shape[1] != pixels.shape[1]:
        raise UserError(
            'model.init = "whiten" sets a first convolution that reads the images, and the network has none',
            'leave it at "random"',
        )
    filters = first.weight.flatten(1)
    axes = principal_axes(network.prepare(pixels), first)
    pairs = torch.stack([axes, -axes], dim=1).flatten(0, 1)[: len(filters)]
    norms = filters[: len(pairs)].norm(dim=1, keepdim=True)
    first.weight[: len(pairs)] = (norms * pairs.to(filters.dtype)).view(-1, *first.weight.shape[1:])


def principal_axes(images: Float[Tensor, "B C H W"], layer: nn.Conv2d) -> Float64[Tensor, "D D"]:
    """The directions of a layer's patches by falling variance, one a row; the largest entry of each is above 0."""
    patches = F.unfold(images, layer.kernel_size, layer.dilation, stride=layer.stride).double()
    covariance = torch.cov(patches.transpose(0, 1).flatten(1))
    axes = torch.linalg.eigh(covariance).eigenvectors.T.flip(0)
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    return axes * largest.sign()
