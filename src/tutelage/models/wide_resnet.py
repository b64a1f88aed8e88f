"""Wide residual networks: few layers, many channels, norms and ReLU before the convolutions.

Source: Zagoruyko & Komodakis 2016, arXiv:1605.07146, table 1: depth 6n + 4, widths 16-16k-32k-64k.
Departures: no dropout. A stage's output is the sum that leaves its last block; the norm and ReLU that read it belong
to the next stage. Names are those of the weights published with Tian, Krishnan & Isola 2020, arXiv:1910.10699.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal


class Block(nn.Module):
    """norm-ReLU-3x3, norm-ReLU-3x3, and a shortcut: a 1x1 convolution where the width changes."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(inputs, width, 1, stride, bias=False) if inputs != width else None

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        active = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return y + (x if self.convShortcut is None else self.convShortcut(active))


class Stage(nn.Module):
    """n blocks, the first with the stride."""

    def __init__(self, inputs: int, width: int, blocks: int, stride: int):
        super().__init__()
        self.layer = nn.Sequential(Block(inputs, width, stride), *(Block(width, width, 1) for _ in range(blocks - 1)))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return self.layer(x)


class WideResNet(nn.Module):
    """A stem of one 3x3 convolution, three stages, norm, ReLU, global average pooling, one linear layer."""

    def __init__(self, depth: int, widen: int, classes: int, channels: int):
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.block1 = Stage(16, 16 * widen, blocks, 1)
        self.block2 = Stage(16 * widen, 32 * widen, blocks, 2)
        self.block3 = Stage(32 * widen, 64 * widen, blocks, 2)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.fc = nn.Linear(64 * widen, classes)
        he_normal(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


def wrn_16_2(*, classes: int, channels: int = 3) -> WideResNet:
    return WideResNet(16, 2, classes, channels)


def wrn_40_1(*, classes: int, channels: int = 3) -> WideResNet:
    return WideResNet(40, 1, classes, channels)


def wrn_40_2(*, classes: int, channels: int = 3) -> WideResNet:
    return WideResNet(40, 2, classes, channels)
