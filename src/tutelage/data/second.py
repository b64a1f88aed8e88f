"""Shows every image of a batch twice: the view under its address, and a stronger one under the same address."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from itertools import tee

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.data.memory import MemoryImages
from tutelage.data.part import whole_of


def stronger(augment: Augment, images: Images) -> Augment:
    """Which second views exist: other draws, and a square of half the side painted over; photos by TrivialAugment too.

    Jin, Wang & Lin 2023 train on a weak and a strong view; their strong one is AutoAugment's.

    Args:
        augment: Of the first views.
        images: A split.
    """
    side = min(images.shape[1:])
    trivial = augment.trivial or not isinstance(whole_of(images), MemoryImages)
    return replace(augment, seed=augment.seed + 1, cutout=max(augment.cutout, side // 2), trivial=trivial)


class TwoViews(Images):
    """A split whose batches hold all first views and then all second views, in the same order.

    Args:
        images: The split.
        second: Which second views exist.
    """

    def __init__(self, images: Images, second: Augment):
        self.images, self.second = images, second
        self.labels, self.shape, self.digest = images.labels, images.shape, images.digest

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """The images as they are, once."""
        return self.images.plain(position)

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Both views of each address, [2 B, C, H, W]."""
        return _joined(self.images.view(sample, view, augment), self.images.view(sample, view, self.second))

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """Both views of one batch after another."""
        of_each = zip((augment, self.second), tee(addresses))
        first, second = (self.images.stream(those, views, workers) for views, those in of_each)
        return (_joined(*both) for both in zip(first, second, strict=True))

    def to(self, device: torch.device | str) -> "TwoViews":
        """The same views, on another device."""
        moved = copy(self)
        moved.images = self.images.to(device)
        moved.labels = moved.images.labels
        return moved


def _joined(first: Views, second: Views) -> Views:
    return Views(torch.cat([first.pixels, second.pixels]), None, None)
