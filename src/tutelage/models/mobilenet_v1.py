"""Networks of depthwise-separable convolutions: MobileNetV1 by width, and a small one of equal blocks.

Source: Howard et al. 2017, arXiv:1704.04861, table 1; at width 0.25 and 96 pixels MLPerf Tiny's network for visual wake
words (Banbury et al. 2021, arXiv:2106.07597). The small one is DS-CNN (Zhang et al. 2017, arXiv:1711.07128) in MLPerf
Tiny's form: a stem of stride 2 and four blocks of 64 channels.
Departures: DS-CNN's stem has a 3x3 kernel for images, where spectrograms had 10x4, and there is no dropout; padding is
the same on both sides, where Keras pads right and below.
"""

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal

# channels at full width, stride
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class Separable(nn.Sequential):
    """3x3 depthwise, then 1x1; norm and ReLU after both."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__(
            *_norm_relu(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)),
            *_norm_relu(nn.Conv2d(inputs, width, 1, bias=False)),
        )


class SeparableNet(nn.Module):
    """A stem of stride 2, separable blocks, global average pooling, one linear layer."""

    def __init__(self, stem: int, blocks: Iterable[tuple[int, int]], classes: int, channels: int):
        super().__init__()
        self.stem = nn.Sequential(*_norm_relu(nn.Conv2d(channels, stem, 3, 2, 1, bias=False)))
        parts, inputs = [], stem
        for width, stride in blocks:
            parts.append(Separable(inputs, width, stride))
            inputs = width
        self.blocks = nn.Sequential(*parts)
        self.linear = nn.Linear(inputs, classes)
        he_normal(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        return self.linear(self.blocks(self.stem(images)).mean((2, 3)))


def _norm_relu(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()


def mobilenet_v1(*, classes: int, channels: int = 3, width: float = 1.0) -> SeparableNet:
    """`width`: the share of the channels of table 1."""
    blocks = [(int(full * width), stride) for full, stride in BLOCKS]
    return SeparableNet(int(32 * width), blocks, classes, channels)


def ds_cnn(*, classes: int, channels: int = 3, width: int = 64) -> SeparableNet:
    """`width`: channels of every layer."""
    return SeparableNet(width, [(width, 1)] * 4, classes, channels)
