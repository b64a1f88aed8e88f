"""A small plain network of the kind one writes for a device: two blocks of two 3x3 convolutions, no norms.

Source: the lineage of LeCun et al. 1998, doi:10.1109/5.726791, with 3x3 convolutions and ReLU; the usual student of
tutorials on distillation.
Departures: He's initial weights.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.models._common import he_normal


class ConvNet(nn.Module):
    """Blocks of conv-ReLU-conv-ReLU-pool, global average pooling, linear-ReLU-linear."""

    def __init__(self, classes: int, channels: int, widths: Sequence[int], hidden: int):
        super().__init__()
        self.stages = tuple(f"block{number}" for number in range(1, len(widths) + 1))
        for stage, inputs, width in zip(self.stages, [channels, *widths], widths):
            self.add_module(stage, _block(inputs, width))
        self.fc1 = nn.Linear(widths[-1], hidden)
        self.fc2 = nn.Linear(hidden, classes)
        he_normal(self, "fan_in")

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        x = images
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return self.fc2(F.relu(self.fc1(x.mean((2, 3)))))


def _block(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def convnet(*, classes: int, channels: int = 3, widths: Sequence[int] = (64, 128), hidden: int = 32) -> ConvNet:
    """The network; each width is one block that halves the side, so images need at least 2^blocks pixels a side."""
    return ConvNet(classes, channels, widths, hidden)
