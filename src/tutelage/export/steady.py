"""Makes channels that are too still for 8 bits exactly still before an int8 file is written.

A channel that hardly ever moves has a tiny variance, and BatchNorm, folded into the convolution before it, makes its
weights enormous (thousands, where its neighbours have one). The int32 bias of an int8 convolution is counted in steps
of (input step) x (weight step): beside such weights its rounding alone is larger than anything the channel says.
"""

import copy
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

LARGEST_WEIGHT = 64
"""An int8 file's weights are -64 to 64. x86 without VNNI adds two products of weights and activations (at most 255) in
16 bits, which 2 x 64 x 255 fits into and 2 x 127 x 255 does not: the sum would be cut off at 32,767."""


class Watched:
    """A forward hook: the range of what enters a convolution, and of each channel that leaves it."""

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.lowest = self.highest = torch.zeros(0)

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Float[Tensor, "B C H W"]) -> None:
        self.low = min(self.low, float(inputs[0].min()))
        self.high = max(self.high, float(inputs[0].max()))
        lowest, highest = output.amin((0, 2, 3)), output.amax((0, 2, 3))
        first = not len(self.lowest)
        self.lowest = lowest if first else self.lowest.minimum(lowest)
        self.highest = highest if first else self.highest.maximum(highest)


def steadied(network: nn.Module, batches: Iterable[Float[Tensor, "B C H W"]]) -> nn.Module:
    """A copy in which what a convolution's channel says is a constant, where 8 bits cannot tell it from one.

    Such a channel moves, over all these images, by less than one step of its weights times one step of its input.

    Args:
        network: In eval mode, on the CPU.
        batches: The images from which the int8 ranges are taken.
    """
    network = copy.deepcopy(network).eval()
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    watched = [Watched() for _ in convolutions]
    handles = [part.register_forward_hook(hook) for part, hook in zip(convolutions, watched, strict=True)]
    with torch.no_grad():
        for pixels in batches:
            network(pixels)
        for handle in handles:
            handle.remove()
        for part, seen in zip(convolutions, watched, strict=True):
            if not len(seen.lowest):  # nothing enters it
                continue
            largest = part.weight.flatten(1).abs().amax(1)
            step = (seen.high - seen.low) / 255 * largest / LARGEST_WEIGHT
            still = seen.highest - seen.lowest < step
            if not still.any():
                continue
            middle = (seen.highest + seen.lowest) / 2
            before = torch.zeros_like(largest) if part.bias is None else part.bias
            part.bias = nn.Parameter(torch.where(still, middle, before))
            part.weight[still] = 0.0
    return network
