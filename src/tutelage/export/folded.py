"""Takes the normalisation out of a network, so that a camera's bytes are its input.

A file of 8 bits has one scale for all channels of its input. The scale is 1 / 255, a byte's; the standard deviations
go into the first convolution's weights, and the means into its bias and the byte that stands for zero. What differs
between the channels' means and that byte is right inside and a little off in the border where zeros are padded.
"""

import copy
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.export.task import Pixels
from tutelage.models.tap import Tapped


class Folded(NamedTuple):
    """A network that takes pixels in [0, 1] less `zero / 255`."""

    network: nn.Module
    """From those to logits."""
    zero: int
    """The byte that stands for 0."""


def folded(network: nn.Module, shape: tuple[int, int, int]) -> Folded:
    """A network of pixels in [0, 1] without its normalisation.

    One whose first layer is no convolution keeps it, as two operators, and its zero is black.

    Args:
        network: In eval mode, on the CPU; to `Outputs`.
        shape: Of one image: channels, height, width.
    """
    first = _first_convolution(network, shape) if isinstance(network, Tapped) else None
    if first is None:
        return Folded(Pixels(network).eval(), 0)
    assert isinstance(network, Tapped)
    plain = copy.deepcopy(network.network)
    convolution = plain.get_submodule(first)
    assert isinstance(convolution, nn.Conv2d)
    mean, std = torch.tensor(network.mean), torch.tensor(network.std)
    zero = min(255, max(0, round(255 * float(mean.mean()))))
    with torch.no_grad():
        weight = convolution.weight / std.view(1, -1, 1, 1)
        moved = weight.sum((2, 3)) @ (zero / 255 - mean)
        convolution.bias = nn.Parameter(moved if convolution.bias is None else convolution.bias + moved)
        convolution.weight = nn.Parameter(weight)
    return Folded(plain.eval(), zero)


class Probabilities(nn.Module):
    """A network's softmax."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Over the classes."""
        return self.network(pixels).softmax(dim=1)


def _first_convolution(network: Tapped, shape: tuple[int, int, int]) -> str | None:
    """The path of the convolution that alone takes the input, as it is or padded; None where there is none."""
    if shape[1:] != (network.size, network.size):
        return None
    program = torch.export.export(network.network, (torch.zeros(1, *shape),))
    signature = program.graph_signature
    node = next(node for node in program.graph.nodes if node.name == signature.user_inputs[0])
    while True:
        users = list(node.users)
        if len(users) != 1:
            return None
        (user,) = users
        if _pads_with_zeros(user):
            node = user
            continue
        if user.target not in (torch.ops.aten.conv2d.default, torch.ops.aten.conv2d.padding):
            return None
        weight = signature.inputs_to_parameters.get(user.args[1].name, "")
        path = weight.removesuffix(".weight")
        found = dict(network.network.named_modules()).get(path)
        plain = isinstance(found, nn.Conv2d) and found.groups == 1 and len(user.args[1].users) == 1
        return path if plain and weight == f"{path}.weight" else None


def _pads_with_zeros(node: torch.fx.Node) -> bool:
    if node.target is torch.ops.aten.pad.default:
        return node.args[2:] in ((), ("constant",), ("constant", None), ("constant", 0.0))
    return node.target is torch.ops.aten.constant_pad_nd.default and node.args[2:] in ((), (0,))
