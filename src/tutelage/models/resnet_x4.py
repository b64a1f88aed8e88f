"""Residual networks four times as wide as those of resnet_cifar, with convolutions as shortcuts.

Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, section 4.2, shortcuts with parameters ("option B"); widths
32-64-128-256 as in Tian, Krishnan & Isola 2020, arXiv:1910.10699, appendix ("resnet8x4", "resnet32x4").
Departures: none; the names are those of the weights published with the second paper.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal, projection


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; ReLU after the sum."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(inputs, width, stride)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


class ResNetX4(nn.Module):
    """A stem of one 3x3 convolution, three stages, global average pooling, one linear layer."""

    def __init__(self, depth: int, classes: int, channels: int):
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, 32, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = _stage(32, 64, blocks, 1)
        self.layer2 = _stage(64, 128, blocks, 2)
        self.layer3 = _stage(128, 256, blocks, 2)
        self.fc = nn.Linear(256, classes)
        he_normal(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, width, stride), *(Block(width, width, 1) for _ in range(blocks - 1)))


def resnet8x4(*, classes: int, channels: int = 3) -> ResNetX4:
    return ResNetX4(8, classes, channels)


def resnet32x4(*, classes: int, channels: int = 3) -> ResNetX4:
    return ResNetX4(32, classes, channels)
