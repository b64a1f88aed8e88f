"""Keeps whole data sets in memory and makes their views: every pixel of a view is looked up by its address.

A view is built in the space of indices: crop, padding, flip, cutout and CutMix decide which stored pixel each pixel of
the view shows, and one gather fetches them. Integer arithmetic, one comparison a draw and one multiplication a pixel:
the CPU and a GPU give the same bits, for any batch size and order.

Sources: cutout DeVries & Taylor 2017, arXiv:1708.04552; mixup Zhang et al. 2018, arXiv:1710.09412; CutMix Yun et al.
2019, arXiv:1905.04899; alternating flip Jordan 2024, arXiv:2404.00498.
Departures: the partner of a mixed image is drawn from the whole training split, by address, and not from the batch; a
box or square of odd side keeps its last row and column, which the authors' code drops.
"""

import hashlib
from collections.abc import Iterable, Iterator
from copy import copy
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from tutelage import rng
from tutelage.data.augment import LATER, Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.data.mixing import COLUMN, CUT_COLUMN, CUT_ROW, FLIP, ROW, SHARE, beta, cutmix_box, span
from tutelage.errors import UserError

_SCALE = 1 / 255  # multiplied, not divided by: CUDA divides by a number through its reciprocal, a CPU does not


class MemoryImages(Images):
    """uint8 images and their labels, kept whole in memory.

    Args:
        images: Any memory layout; copied.
        labels: Class numbers.
    """

    def __init__(self, images: UInt8[Tensor, "N C H W"], labels: Int64[Tensor, " N"]):
        samples, channels, height, width = images.shape
        self.labels = labels
        self.shape: tuple[int, int, int] = (channels, height, width)
        # One row a pixel, so that a gather copies all channels at once; behind them the two colours that are in no
        # image: black and the mean.
        self._black, self._mean = samples * height * width, samples * height * width + 1
        self._store = torch.empty(self._black + 2, channels, dtype=torch.uint8, device=images.device)
        self.images.copy_(images)
        self._store[self._black] = 0
        self._store[self._mean] = _mean_colour(self.images.permute(0, 2, 3, 1))

    @property
    def images(self) -> UInt8[Tensor, "N C H W"]:
        """A view into the store (channels last), not a copy."""
        channels, height, width = self.shape
        return self._store[: self._black].view(len(self), height, width, channels).permute(0, 3, 1, 2)

    def to(self, device: torch.device | str) -> "MemoryImages":
        """The same images on another device."""
        moved = copy(self)
        moved.labels, moved._store = self.labels.to(device), self._store.to(device)
        return moved

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape, pixels (in the order N, H, W, C) and labels."""
        sha = hashlib.sha256(f"uint8 {len(self)} {self.shape}".encode())
        sha.update(self._store[: self._black].cpu().numpy())
        sha.update(self.labels.cpu().contiguous().numpy())
        return sha.hexdigest()

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """The images as they are, in [0, 1], stored channels last."""
        channels, height, width = self.shape
        position = position.to(self._store.device, non_blocking=True)
        flat = self._store[: self._black].view(len(self), height * width * channels).index_select(0, position)
        return self._as_images(flat)

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Each image under its address (augment.seed, sample, view): no other argument, batch or order matters.

        Args:
            sample: Positions in 0..N-1.
            view: View numbers, 0 or more.
            augment: Which views exist.

        Raises:
            UserError: the images are too small for the padding or the cutout.
        """
        self._check(augment)
        draws = rng.uniform(rng.key(augment.seed, sample, view), 8)
        places = self._places(sample, view, draws, augment)
        if augment.mix == "none":
            return Views(self._gather(places), None, None)

        partner = rng.below(rng.key(augment.seed, sample, view, "partner"), len(self))
        partner_draws = rng.uniform(rng.key(augment.seed, partner, view), 8)
        partner_places = self._places(partner, view, partner_draws, augment)
        share = beta(draws[:, SHARE], augment.mix_alpha)
        if augment.mix == "mixup":
            weight = share[:, None, None, None]
            own, other = self._gather(places), self._gather(partner_places)
            return Views(own.mul_(1 - weight).add_(other.mul_(weight)), partner, share)

        _, height, width = self.shape
        box = cutmix_box(draws, share, height, width)
        # In float64, where CUDA's division (see _SCALE) is too close to a CPU's to show in float32.
        area = (box.sum((1, 2)).double() / (height * width)).float()
        return Views(self._gather(torch.where(box, partner_places, places)), partner, area)

    def _places(
        self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], draws: Float32[Tensor, "B 8"], augment: Augment
    ) -> Int64[Tensor, "B H W"]:
        """Which row of the store each pixel of an unmixed view shows."""
        _, height, width = self.shape
        rows = torch.arange(height, device=sample.device)[None, :]
        columns = torch.arange(width, device=sample.device)[None, :]
        if augment.flip != "none":
            if augment.flip == "random":
                flip = draws[:, FLIP] < 0.5
            else:
                first = rng.uniform(rng.key(augment.seed, sample, "flip"), 1)[:, 0] < 0.5
                flip = first ^ (view % 2 == 1)
            columns = torch.where(flip[:, None], width - 1 - columns, columns)
        if augment.crop_padding:
            offsets = (draws[:, ROW : COLUMN + 1] * (2 * augment.crop_padding + 1)).long() - augment.crop_padding
            rows = self._padded(rows + offsets[:, :1], height, augment)
            columns = self._padded(columns + offsets[:, 1:], width, augment)
        places = (sample[:, None] * (height * width) + rows * width)[:, :, None] + columns[:, None, :]
        if augment.crop_padding and augment.padding == "zero":
            places.clamp_(max=self._black)
        if augment.cutout:
            side = torch.full_like(sample, augment.cutout)
            hole = span(draws[:, CUT_ROW], side, height)[:, :, None]
            hole = hole & span(draws[:, CUT_COLUMN], side, width)[:, None, :]
            places.masked_fill_(hole, self._mean)
        return places

    def _padded(self, position: Int64[Tensor, "B S"], side: int, augment: Augment) -> Int64[Tensor, "B S"]:
        """What a position in -padding..side+padding-1 shows of 0..side-1; beyond every image where it shows black."""
        if augment.padding == "reflect":
            return (side - 1) - ((side - 1) - position.abs()).abs()
        return torch.where((position < 0) | (position >= side), self._black, position)

    def _gather(self, places: Int64[Tensor, "B H W"]) -> Float32[Tensor, "B C H W"]:
        return self._as_images(self._store.index_select(0, places.view(-1)))

    def _as_images(self, flat: UInt8[Tensor, "_ _"]) -> Float32[Tensor, "B C H W"]:
        channels, height, width = self.shape
        return flat.to(torch.float32).mul_(_SCALE).view(-1, height, width, channels).permute(0, 3, 1, 2)

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """The views of one batch after another; made here, at once: no worker is as fast."""
        device = self.labels.device
        on_device = (tuple(part.to(device, non_blocking=True) for part in address) for address in addresses)
        return (self.view(*address, augment) for address in on_device)

    def _check(self, augment: Augment) -> None:
        for name in LATER:
            if augment.uses(name):
                raise UserError(
                    f"augment.{name} is for folders of photos, and these images lie in memory",
                    "use crop_padding, flip, cutout and mix",
                )
        _, height, width = self.shape
        side = min(height, width)
        if augment.padding == "reflect" and augment.crop_padding >= side:
            raise UserError(
                f"augment.crop_padding is {augment.crop_padding}, but images of {height} x {width} pixels can be "
                f"mirrored by at most {side - 1}",
                "choose a smaller crop_padding, or padding = zero",
            )
        if augment.cutout > side:
            raise UserError(
                f"augment.cutout is {augment.cutout}, but the images have {height} x {width} pixels",
                f"choose a side of at most {side}; half the image is usual",
            )


def _mean_colour(images: UInt8[Tensor, "N H W C"]) -> UInt8[Tensor, " C"]:
    """Rounded mean of each channel, by exact integer sums (numpy's take 0.05 s for CIFAR-10, torch's 2 s)."""
    *_, channels = images.shape
    total = images.cpu().numpy().reshape(len(images), -1).sum(0, dtype=np.int64).reshape(-1, channels).sum(0)
    return torch.from_numpy(np.rint(total / (images.numel() // channels)).astype(np.uint8))
