"""ShuffleNet V1 and V2 for 32-pixel images: grouped or split channels, shuffled between the convolutions.

Source: Zhang et al. 2017, arXiv:1707.01083, table 1 (g = 3), and Ma et al. 2018, arXiv:1807.11164, table 5 (1x); in
the form of Tian, Krishnan & Isola 2020, arXiv:1910.10699: a 1x1 stem of stride 1 and no max pooling; names are those
of the weights published with that paper.
Departures: none from that form. In V1 the 3x3 convolutions are followed by ReLU, which its paper leaves out; V2 has
one block a stage more than its paper's table.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STEM = 24


def shuffle(x: Float[Tensor, "B C H W"], groups: int) -> Float[Tensor, "B C H W"]:
    """Channel j of group i becomes channel j * groups + i."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class UnitV1(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; the shortcut is added, or averaged and appended at stride 2."""

    def __init__(self, inputs: int, width: int, stride: int, groups: int):
        super().__init__()
        self.down = stride == 2
        added = width - inputs if self.down else width
        middle = added // 4
        # The paper does not group the first 1x1: the stem's channels are too few.
        self.groups = 1 if inputs == STEM else groups
        self.conv1 = nn.Conv2d(inputs, middle, 1, groups=self.groups, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, added, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(added)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        y = shuffle(F.relu(self.bn1(self.conv1(x))), self.groups)
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], 1) if self.down else y + x)


class UnitV2(nn.Module):
    """Half of the channels pass through 1x1, depthwise 3x3, 1x1; the other half waits; both are shuffled."""

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(half, half, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        waiting, y = x.chunk(2, 1)
        y = F.relu(self.bn1(self.conv1(y)))
        y = self.bn2(self.conv2(y))
        y = F.relu(self.bn3(self.conv3(y)))
        return shuffle(torch.cat([waiting, y], 1), 2)


class DownV2(nn.Module):
    """Both branches see all channels at stride 2; their outputs are appended and shuffled."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 2, 1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, half, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(inputs, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv4 = nn.Conv2d(half, half, 3, 2, 1, groups=half, bias=False)
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = nn.Conv2d(half, half, 1, bias=False)
        self.bn5 = nn.BatchNorm2d(half)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        left = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        right = F.relu(self.bn3(self.conv3(x)))
        right = F.relu(self.bn5(self.conv5(self.bn4(self.conv4(right)))))
        return shuffle(torch.cat([left, right], 1), 2)


class ShuffleNetV1(nn.Module):
    """Three stages of 4, 8, 4 units, global average pooling, one linear layer."""

    def __init__(self, classes: int, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.layer1 = _stage_v1(STEM, 240, 4)
        self.layer2 = _stage_v1(240, 480, 8)
        self.layer3 = _stage_v1(480, 960, 4)
        self.linear = nn.Linear(960, classes)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class ShuffleNetV2(nn.Module):
    """Three stages of 4, 8, 4 units, a 1x1 convolution, global average pooling, one linear layer."""

    def __init__(self, classes: int, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.layer1 = _stage_v2(STEM, 116, 4)
        self.layer2 = _stage_v2(116, 232, 8)
        self.layer3 = _stage_v2(232, 464, 4)
        self.conv2 = nn.Conv2d(464, 1024, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1024)
        self.linear = nn.Linear(1024, classes)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.linear(x.mean((2, 3)))


def _stage_v1(inputs: int, width: int, units: int, groups: int = 3) -> nn.Sequential:
    return nn.Sequential(UnitV1(inputs, width, 2, groups), *(UnitV1(width, width, 1, groups) for _ in range(units - 1)))


def _stage_v2(inputs: int, width: int, units: int) -> nn.Sequential:
    return nn.Sequential(DownV2(inputs, width), *(UnitV2(width) for _ in range(units - 1)))


def shufflenet_v1(*, classes: int, channels: int = 3) -> ShuffleNetV1:
    return ShuffleNetV1(classes, channels)


def shufflenet_v2(*, classes: int, channels: int = 3) -> ShuffleNetV2:
    return ShuffleNetV2(classes, channels)
