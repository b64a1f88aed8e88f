"""Views that are made once and kept on the device: a step that sees one of them again looks it up."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.data.memory import MemoryImages

BATCH = 4096
"""Views made at once."""
_SCALE = 1 / 255


def bytes_of(images: Images, views: int) -> int:
    """What so many views of every image take."""
    channels, height, width = images.shape
    return views * len(images) * channels * height * width


class MadeViews(Images):
    """Views of images in memory under the same addresses, the same bits; of a seed and numbers known beforehand.

    Args:
        images: They stay as they are.
        augment: Which views exist; nothing is mixed in.
        views: Their numbers.
    """

    def __init__(self, images: MemoryImages, augment: Augment, views: tuple[int, ...]):
        assert augment.mix == "none", "a mixed view has no bytes"
        self.labels, self.shape, self.digest = images.labels, images.shape, images.digest
        device = images.labels.device
        self._place = torch.zeros(max(views) + 1, dtype=torch.long, device=device)
        self._place[torch.tensor(views, device=device)] = torch.arange(len(views), device=device)
        channels, height, width = self.shape
        self._store = torch.empty(len(views) * len(images), height * width * channels, dtype=torch.uint8, device=device)
        for place, view in enumerate(views):
            for sample in torch.arange(len(images), device=device).split(BATCH):
                pixels = images.view(sample, torch.full_like(sample, view), augment).pixels
                rows = (pixels * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).reshape(len(sample), -1)
                first = place * len(images) + int(sample[0])
                self._store[first : first + len(sample)] = rows

    def plain(self, position: Int64[Tensor, " B"]) -> Float32[Tensor, "B C H W"]:
        """There are views alone; raises TypeError."""
        raise TypeError("made views hold no plain images")

    def view(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], augment: Augment) -> Views:
        """Each image under its address, both on the device."""
        channels, height, width = self.shape
        flat = self._store.index_select(0, self._place[view] * len(self) + sample)
        pixels = flat.to(torch.float32).mul_(_SCALE).view(-1, height, width, channels).permute(0, 3, 1, 2)
        return Views(pixels, None, None)

    def stream(self, addresses: Iterable[Addresses], augment: Augment, workers: int = -1) -> Iterator[Views]:
        """The views of one batch after another."""
        return (self.view(*address, augment) for address in addresses)

    def to(self, device: torch.device | str) -> "MadeViews":
        """Made views stay where they are; raises TypeError."""
        raise TypeError(f"made views stay on {self.labels.device}")
