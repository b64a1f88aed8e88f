"""Some images of a split, seen under the addresses that they have in the whole."""

import pytest
import torch

import small
from tutelage.data.augment import Augment
from tutelage.data.part import PartOf, of_split
from tutelage.errors import UserError

AUGMENT = Augment(crop_padding=1, flip="random")


def test_a_part_shows_what_the_whole_shows_under_the_same_addresses():
    whole = small.digits().train
    positions = torch.tensor([3, 7, 20, 21, 400])
    part = PartOf(whole, positions)
    sample, view = torch.tensor([4, 0, 2]), torch.tensor([1, 1, 0])
    assert (len(part), part.shape) == (5, whole.shape)
    assert torch.equal(part.labels, whole.labels[positions])
    assert torch.equal(part.plain(sample), whole.plain(positions[sample]))
    expected = whole.view(positions[sample], view, AUGMENT).pixels
    assert torch.equal(part.view(sample, view, AUGMENT).pixels, expected)
    (streamed,) = part.stream([(sample, view)], AUGMENT)
    assert torch.equal(streamed.pixels, expected)
    assert torch.equal(part.to("cpu").view(sample, view, AUGMENT).pixels, expected)


def test_a_part_of_a_part_keeps_the_addresses_of_the_whole():
    whole = small.digits().train
    inner = of_split(of_split(whole, torch.arange(10, 30)), torch.tensor([0, 5]))
    assert isinstance(inner, PartOf)
    assert inner.whole is whole
    assert inner.positions.tolist() == [10, 15]


def test_parts_of_other_images_have_other_digests():
    whole = small.digits().train
    parts = [PartOf(whole, torch.arange(first, 30)) for first in (0, 0, 1)]
    assert parts[0].digest == parts[1].digest
    assert len({whole.digest, parts[0].digest, parts[2].digest}) == 3


def test_nothing_is_mixed_into_a_part():
    part = PartOf(small.digits().train, torch.arange(10))
    with pytest.raises(UserError, match=r"augment\.mix = mixup would mix in images that are held back"):
        part.view(torch.arange(2), torch.zeros(2, dtype=torch.long), Augment(crop_padding=0, flip="none", mix="mixup"))
