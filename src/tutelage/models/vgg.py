"""Plain networks of 3x3 convolutions in five blocks, for 32-pixel images.

Source: Simonyan & Zisserman 2014, arXiv:1409.1556, table 1, configuration B (VGG-13); VGG-8 has one convolution a
block. In the form of Tian, Krishnan & Isola 2020, arXiv:1910.10699: batch norm, one linear layer, and no pooling
between the last two blocks; names are those of the weights published with that paper.
Departures: none from that form.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five blocks; the side is halved after each of the first three; global average pooling, one linear layer."""

    def __init__(self, convolutions: int, classes: int, channels: int):
        super().__init__()
        inputs = (channels, *WIDTHS)
        self.block0, self.block1, self.block2, self.block3, self.block4 = (
            _block(inputs[i], WIDTHS[i], convolutions) for i in range(5)
        )
        self.classifier = nn.Linear(WIDTHS[-1], classes)
        he_normal(self)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = F.max_pool2d(self.block0(images), 2)
        x = F.max_pool2d(self.block1(x), 2)
        x = F.max_pool2d(self.block2(x), 2)
        x = self.block4(self.block3(x))
        return self.classifier(x.mean((2, 3)))


def _block(inputs: int, width: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers)


def vgg8(*, classes: int, channels: int = 3) -> VGG:
    return VGG(1, classes, channels)


def vgg13(*, classes: int, channels: int = 3) -> VGG:
    return VGG(2, classes, channels)
