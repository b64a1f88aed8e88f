"""Shows some images of a split as a split of its own: each is seen under its address in the whole."""

import hashlib
from collections.abc import Iterable, Iterator
from copy import copy

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage import files
from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.errors import UserError


class PartOf(Images):
    """Some images of a split. Nothing is mixed into them: what is mixed in may be one of the others.

    Args:
        whole: The split.
        positions: Of the images in it, ascending.
    """

    def __init__(self, whole: Images, positions: Int64[Tensor, " N"]):
        self.whole, self.positions = whole, positions
        self.labels, self.shape = whole.labels[positions.to(whole.labels.device)], whole.shape
        chosen = hashlib.sha256(positions.cpu().numpy()).hexdigest()
        self.digest = files.digest({"whole": whole.digest, "positions": chosen})

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """The images as they are, in [0, 1]."""
        return self.whole.plain(self._in_whole(position))

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Each image under its address in the whole.

        Raises:
            UserError: images are mixed.
        """
        self._check(augment)
        return self.whole.view(self._in_whole(sample), view, augment)

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """`view` of one batch of addresses after another."""
        self._check(augment)
        of_whole = ((self._in_whole(sample), view) for sample, view in addresses)
        return self.whole.stream(of_whole, augment, workers)

    def to(self, device: torch.device | str) -> "PartOf":
        """The same images, shown on another device."""
        moved = copy(self)
        moved.whole, moved.labels = self.whole.to(device), self.labels.to(device)
        return moved

    def _in_whole(self, sample: Int64[Tensor, " B"]) -> Int64[Tensor, " B"]:
        return self.positions.to(sample.device)[sample]

    def _check(self, augment: Augment) -> None:
        if augment.mix != "none":
            raise UserError(
                f"augment.mix = {augment.mix} would mix in images that are held back",
                'set augment.mix = "none", or leave out data.held_back',
            )


def whole_of(images: Images) -> Images:
    """The split that a part is of; of others themselves."""
    return images.whole if isinstance(images, PartOf) else images


def of_split(images: Images, positions: Int64[Tensor, " N"]) -> Images:
    """Some images of a split; of what is a part itself the addresses stay those of the whole."""
    if isinstance(images, PartOf):
        return PartOf(images.whole, images.positions[positions])
    return PartOf(images, positions)
