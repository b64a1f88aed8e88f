"""Residual networks for 32-pixel images: three stages of 16, 32, 64 channels, or multiples of another width.

Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, section 4.2: depth 6n + 2, shortcuts without parameters
("option A": every second pixel, missing channels zero).
Departures: the zero channels are split before and after the others, and the names are those of the widely used
weights of akamaster/pytorch_resnet_cifar10, which therefore load.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; ReLU after the sum."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.padding = (width - inputs) // 2

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.padding:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(y + x)


class ResNet(nn.Module):
    """A stem of one 3x3 convolution, three stages of n blocks, global average pooling, one linear layer."""

    def __init__(self, depth: int, classes: int, channels: int, width: int = 16):
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks, 1)
        self.layer2 = _stage(width, 2 * width, blocks, 2)
        self.layer3 = _stage(2 * width, 4 * width, blocks, 2)
        self.linear = nn.Linear(4 * width, classes)
        he_normal(self, "fan_in")

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, width, stride), *(Block(width, width, 1) for _ in range(blocks - 1)))


def resnet8(*, classes: int, channels: int = 3, width: int = 16) -> ResNet:
    """`width`: channels of the first stage, even; the others have twice and four times as many."""
    return ResNet(8, classes, channels, width)


def resnet14(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(14, classes, channels)


def resnet20(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(20, classes, channels)


def resnet32(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(32, classes, channels)


def resnet44(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(44, classes, channels)


def resnet56(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(56, classes, channels)


def resnet110(*, classes: int, channels: int = 3) -> ResNet:
    return ResNet(110, classes, channels)
