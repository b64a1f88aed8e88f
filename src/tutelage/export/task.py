"""Holds what there is to export, and all that a writer or a measurement needs to know of it."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Float32
from torch import Tensor, nn

from tutelage.data.splits import DataSet


class Pixels(nn.Module):
    """Pixels in, logits out: what an exported file computes."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """The logits alone."""
        return self.network(pixels).logits


@dataclass(frozen=True)
class Task:
    """A network to be written down, and what it is compared with."""

    network: nn.Module
    """From pixels in [0, 1] to `Outputs`, in eval mode."""
    dataset: DataSet
    """Calibrated on its training images, measured on val."""
    card: dict[str, Any]
    """What the file shall say of itself."""
    logits: Float32[Tensor, "N C"]
    """PyTorch's, on val."""

    @property
    def program(self) -> Pixels:
        """What a file computes, in eval mode."""
        return Pixels(self.network).eval()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: channels, height, width."""
        return self.dataset.train.shape
