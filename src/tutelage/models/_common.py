"""Holds what several networks share: initial weights and shortcuts."""

from typing import Literal

from torch import nn


def he_normal(network: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_out") -> None:
    """Convolutions from N(0, 2 / fan) (He et al. 2015, arXiv:1502.01852, eq. 10), biases 0; the rest is torch's."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def projection(inputs: int, width: int, stride: int) -> nn.Sequential:
    """A shortcut with parameters (1x1 convolution and norm) where the shape changes; empty, the identity, elsewhere."""
    if stride == 1 and inputs == width:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
