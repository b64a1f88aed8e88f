"""ResNet-50 for 32-pixel images: the ImageNet network with a stem that keeps the resolution.

Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, table 1 and figure 5 right (bottlenecks).
Departures: a 3x3 convolution of stride 1 for the 7x7 of stride 2, no max pooling; the stride of a stage is in its
3x3 convolution. Names are those of the weights published with Tian, Krishnan & Isola 2020, arXiv:1910.10699.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal, projection


class Bottleneck(nn.Module):
    """1x1 down to `width`, 3x3, 1x1 up to 4 `width`, and a shortcut; ReLU after the sum."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = projection(inputs, 4 * width, stride)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.shortcut(x))


class ResNet50(nn.Module):
    """Four stages of 3, 4, 6, 3 bottlenecks, global average pooling, one linear layer."""

    def __init__(self, classes: int, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)
        self.linear = nn.Linear(2048, classes)
        he_normal(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(x.mean((2, 3)))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Bottleneck(inputs, width, stride), *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1))
    )


def resnet50_cifar(*, classes: int, channels: int = 3) -> ResNet50:
    return ResNet50(classes, channels)
