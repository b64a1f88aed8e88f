"""Serves photos from files as images: plain or under an address, made ahead by worker processes where that helps."""

from collections.abc import Iterable, Iterator
from copy import copy
from functools import cached_property

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tutelage import files, rng
from tutelage.data import photo
from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views, workers_beside
from tutelage.data.mixing import SHARE, beta, cutmix_box
from tutelage.data.store import Decoder, Photos

_SCALE = 1 / 255


class FileImages(Images):
    """Photos and their labels; only what is asked for is decoded or read.

    Args:
        photos: The pixels that views are made of, by position.
        decoder: What a device sees of each photo, decoded anew.
        labels: Class numbers; -1: none.
        content: Names the photos by what they hold.
        squares: The same as of `decoder`, where they are kept.
    """

    def __init__(
        self,
        photos: Photos,
        decoder: Decoder,
        labels: Int64[Tensor, " N"],
        content: str,
        squares: Photos | None = None,
    ):
        self.photos, self.decoder, self.labels, self.content = photos, decoder, labels, content
        self.squares = squares or decoder
        self.shape = (3, decoder.side, decoder.side)

    def to(self, device: torch.device | str) -> "FileImages":
        """The same photos, shown on another device; they are still made on the CPU."""
        moved = copy(self)
        moved.labels = self.labels.to(device)
        return moved

    @cached_property
    def digest(self) -> str:
        """SHA-256 of content, side and labels."""
        labels = (label for part in self.labels.split(4096) for label in part.tolist())
        return files.digest([self.content, self.shape, labels])

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """What a device sees of each photo (`edge.pixels`), in [0, 1], stored channels last."""
        return self._shown(torch.stack([self.squares(i) for i in position.tolist()]))

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Each photo under its address (augment.seed, sample, view): no other argument, batch or order matters.

        Raises:
            UserError: `augment` asks for what photos do not have, or for more padding than they allow.
        """
        return self._moved(self._made(sample.cpu(), view.cpu(), augment))

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """The views of one batch after another, made ahead by `workers` processes.

        Args:
            addresses: (sample, view) of each batch.
            augment: Which views exist.
            workers: 0: made here, when they are asked for; -1: see `workers_beside`.
        """
        if workers < 0:
            workers = workers_beside(self.labels.device)
        if workers == 0:
            yield from (self.view(sample, view, augment) for sample, view in addresses)
            return
        bare = copy(self)
        bare.labels = self.labels.cpu()  # workers must not touch a GPU
        loader = DataLoader(
            _Addressed(bare, augment),
            batch_size=None,
            sampler=addresses,
            num_workers=workers,
            pin_memory=self.labels.is_cuda,
        )
        for made in loader:
            yield self._moved(made)

    def _made(self, sample: Tensor, view: Tensor, augment: Augment) -> Views:
        """On the CPU; pixels stay bytes where nothing is mixed in."""
        side = self.shape[1]
        own = photo.views(self.photos, sample, view, augment, side)
        if augment.mix == "none":
            return Views(own, None, None)
        partner = rng.below(rng.key(augment.seed, sample, view, "partner"), len(self))
        other = photo.views(self.photos, partner, view, augment, side)
        draws = rng.uniform(rng.key(augment.seed, sample, view), 8)
        share = beta(draws[:, SHARE], augment.mix_alpha)
        if augment.mix == "mixup":
            weight = share[:, None, None, None]
            return Views(own * _SCALE * (1 - weight) + other * _SCALE * weight, partner, share)
        box = cutmix_box(draws, share, side, side)
        area = box.sum((1, 2)).to(torch.float32) / (side * side)
        return Views(torch.where(box[:, None], other, own), partner, area)

    def _moved(self, made: Views) -> Views:
        device = self.labels.device
        rest = (None if part is None else part.to(device, non_blocking=True) for part in made[1:])
        return Views(self._shown(made.pixels), *rest)

    def _shown(self, pixels: UInt8[Tensor, "B C H W"] | Float32[Tensor, "B C H W"]) -> Float32[Tensor, "B C H W"]:
        pixels = pixels.to(self.labels.device, non_blocking=True)
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # while they are bytes: a quarter of the time
        return pixels.to(torch.float32).mul_(_SCALE) if pixels.dtype == torch.uint8 else pixels


class _Addressed(Dataset):
    """What a worker is asked for: a whole batch by its addresses."""

    def __init__(self, images: FileImages, augment: Augment):
        self.images, self.augment = images, augment

    def __getitem__(self, index: Addresses) -> Views:
        return self.images._made(*index, self.augment)
