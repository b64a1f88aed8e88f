"""Holds what there is to export, and all that a writer or a measurement needs to know of it."""

from dataclasses import dataclass
from typing import Any, Literal

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
class Micro:
    """What a file for a microcontroller takes, says and may cost."""

    input: Literal["int8", "uint8"] = "int8"
    """A camera's bytes as they are, or less 128, which saves an operator and a copy of the input."""
    softmax: bool = False
    """Whether its answers are probabilities; else logits."""
    flash: int | None = None
    """Bytes that model and code may take; None: whatever they take."""
    ram: int | None = None
    """Bytes that the tensor arena may take."""
    npu: str = ""
    """Of `npu.NPUS`, for which it is compiled too; empty: for none."""

    @property
    def output(self) -> str:
        """What its answers are called."""
        return "probabilities" if self.softmax else "logits"


ANY_CHIP = Micro()


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
    micro: Micro = ANY_CHIP
    """What the format mcu was asked for."""

    @property
    def program(self) -> Pixels:
        """What a file computes, in eval mode."""
        return Pixels(self.network).eval()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image: channels, height, width."""
        return self.dataset.train.shape
