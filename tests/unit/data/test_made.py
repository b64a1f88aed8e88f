"""A view that was made before is, bit for bit, the view of that address."""

import pytest
import torch

from small import digits
from tutelage.data.augment import Augment
from tutelage.data.made import MadeViews, bytes_of
from tutelage.data.memory import MemoryImages


@pytest.mark.parametrize("augment", [Augment(crop_padding=2, flip="alternate", cutout=3), Augment(padding="zero")])
def test_made_views_are_the_views(augment):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50, 3, 9, 8), dtype=torch.uint8, generator=generator)
    images = MemoryImages(pixels, torch.arange(50))
    made = MadeViews(images, augment, (1, 4))
    sample, view = torch.tensor([0, 49, 7, 7]), torch.tensor([1, 4, 4, 1])
    assert torch.equal(made.view(sample, view, augment).pixels, images.view(sample, view, augment).pixels)
    assert made.view(sample, view, augment).pixels.is_contiguous(memory_format=torch.channels_last)


def test_what_they_take():
    train = digits().train
    assert bytes_of(train, 16) == 16 * len(train) * 64
