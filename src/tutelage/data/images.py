"""Defines what a split is to all other modules: labelled images that can be seen plain or under an address."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage.data.augment import Augment

Addresses = tuple[Int64[Tensor, " B"], Int64[Tensor, " B"]]
"""Samples and view numbers of a batch."""


class Views(NamedTuple):
    """A batch of views, and what was mixed into them."""

    pixels: Float32[Tensor, "B C H W"]
    """In [0, 1]; stored channels last."""
    partner: Int64[Tensor, " B"] | None
    """Positions, in the same images, of what was mixed in; None without mixing."""
    partner_share: Float32[Tensor, " B"] | None
    """The partner's share of the pixels, in [0, 1)."""


def workers_beside(device: torch.device) -> int:
    """Processes that make views ahead where networks compute on a device: up to 8 beside a GPU, none on the CPU."""
    return 0 if device.type == "cpu" else min(8, (os.cpu_count() or 1) - 1)


class Images(ABC):
    """A split's images and their labels."""

    labels: Int64[Tensor, " N"]
    shape: tuple[int, int, int]
    """Channels, height and width of what it shows."""
    digest: str
    """SHA-256 of everything that decides what it shows."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """The images as they are, in [0, 1]."""

    @abstractmethod
    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Each image under its address (augment.seed, sample, view)."""

    @abstractmethod
    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """`view` of one batch of addresses after another, in their order; the next ones may be made ahead.

        Args:
            addresses: (sample, view) of each batch.
            augment: Which views exist.
            workers: Processes that make views ahead, where that helps; -1: chosen.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> "Images":
        """The same images, shown on another device."""
