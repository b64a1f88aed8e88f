"""MobileNetV2 at half width, for 32-pixel images: inverted residuals with linear bottlenecks.

Source: Sandler et al. 2018, arXiv:1801.04381, table 2; in the form of Tian, Krishnan & Isola 2020, arXiv:1910.10699:
strides for small images, ReLU for ReLU6, no dropout, the last convolution 1280 wide at half width too; names are
those of the weights published with that paper.
Departures: none from that form.
"""

from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal

# expansion, channels at full width, blocks, stride of the first block
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
LAST = 1280


class InvertedResidual(nn.Module):
    """1x1 up, 3x3 depthwise, 1x1 down without ReLU; a shortcut where the shape stays."""

    def __init__(self, inputs: int, width: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == width
        self.conv = nn.Sequential(
            *_conv_norm_relu(inputs, hidden, 1),
            *_conv_norm_relu(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """A stem of stride 2, seven groups of inverted residuals, a 1x1 convolution, pooling, one linear layer."""

    def __init__(self, width: float, classes: int, channels: int):
        super().__init__()
        inputs = int(32 * width)
        self.conv1 = _conv_norm_relu(channels, inputs, 3, 2)
        groups = []
        for expansion, full, blocks, stride in BLOCKS:
            outputs = int(full * width)
            strides = [stride] + [1] * (blocks - 1)
            widths = [inputs] + [outputs] * (blocks - 1)
            groups.append(nn.Sequential(*(InvertedResidual(w, outputs, s, expansion) for w, s in zip(widths, strides))))
            inputs = outputs
        self.blocks = nn.Sequential(*groups)
        self.conv2 = _conv_norm_relu(inputs, LAST, 1)
        head = nn.Linear(LAST, classes)
        self.classifier = nn.Sequential(head)
        he_normal(self)
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = self.conv2(self.blocks(self.conv1(images)))
        return self.classifier(x.mean((2, 3)))


def _conv_norm_relu(inputs: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


def mobilenet_v2_05(*, classes: int, channels: int = 3) -> MobileNetV2:
    return MobileNetV2(0.5, classes, channels)
