"""The ResNet-8 of MLPerf Tiny's image classification: the network every device of that benchmark runs.

Source: Banbury et al. 2021, arXiv:2106.07597, and its reference implementation (mlcommons/tiny, Keras): one block a
stage, biased convolutions, 1x1 convolutions without norm as shortcuts, pixels 0..255.
Departures: none. Keras pads "same" at stride 2 on the right and below only, and its norms have eps 1e-3; both are
kept, so its published weights give its published accuracy. Layers are listed by kind in their original order.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal

WIDTHS = (16, 16, 16, 32, 32, 32, 64, 64, 64)
SHORTCUTS = (5, 8)
"""Which of the nine convolutions are 1x1 shortcuts; the two before each are its block."""


class MLPerfTinyResNet8(nn.Module):
    """A stem, three blocks of two 3x3 convolutions, global average pooling, one linear layer.

    `out.0`, `out.1`, `out.2` are the ReLUs after the three sums: they have no parameters, and are there to be tapped.
    """

    def __init__(self, classes: int, channels: int):
        super().__init__()
        inputs = (channels, 16, 16, 16, 32, 16, 32, 64, 32)
        strides = (1, 1, 1, 2, 1, 2, 2, 1, 2)
        kernels = [1 if i in SHORTCUTS else 3 for i in range(9)]
        self.conv = nn.ModuleList(
            nn.Conv2d(inputs[i], WIDTHS[i], kernels[i], strides[i], padding=int(kernels[i] == 3 and strides[i] == 1))
            for i in range(9)
        )
        self.bn = nn.ModuleList(nn.BatchNorm2d(WIDTHS[i], eps=1e-3) for i in range(9) if i not in SHORTCUTS)
        self.out = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.fc = nn.Linear(64, classes)
        he_normal(self, "fan_in")

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        conv, bn = self.conv, self.bn
        x = F.relu(bn[0](conv[0](images)))
        x = self.out[0](x + bn[2](conv[2](F.relu(bn[1](conv[1](x))))))
        x = self.out[1](conv[5](x) + bn[4](conv[4](F.relu(bn[3](conv[3](padded(x)))))))
        x = self.out[2](conv[8](x) + bn[6](conv[7](F.relu(bn[5](conv[6](padded(x)))))))
        return self.fc(x.mean((2, 3)))


def padded(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """TensorFlow's padding "same" for a 3x3 convolution of stride 2: an odd zero goes right and below."""
    (above, below), (left, right) = [(1 - (side + 1) % 2, 1) for side in x.shape[2:]]
    return F.pad(x, (left, right, above, below))


def mlperf_tiny_resnet8(*, classes: int, channels: int = 3) -> MLPerfTinyResNet8:
    return MLPerfTinyResNet8(classes, channels)
