"""Photos served from files: the same pixels by whichever door, device and worker."""

import pytest
import torch

import small
from tutelage import data
from tutelage.data import Data
from tutelage.data.augment import Augment


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = small.photos(tmp_path_factory.mktemp("photos") / "colours", images=20)
    return data.load(Data(str(folder), size=8)).train


AUGMENT = Augment(flip="random")


def test_plain_photos_are_squares_in_the_unit_interval(train):
    pixels = train.plain(torch.tensor([0, 3]))
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels.dtype == torch.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_a_view_is_its_address(train):
    sample, view = torch.tensor([4, 1, 4]), torch.tensor([0, 0, 1])
    together = train.view(sample, view, AUGMENT).pixels
    for row in range(3):
        assert torch.equal(train.view(sample[row : row + 1], view[row : row + 1], AUGMENT).pixels[0], together[row])
    assert not torch.equal(together[0], together[2])


@pytest.mark.parametrize("mix", ["none", "mixup", "cutmix"])
def test_a_stream_is_its_views_in_order(train, mix):
    augment = Augment(flip="none", mix=mix)
    addresses = [(torch.tensor([i, i + 1]), torch.tensor([i, 0])) for i in range(3)]
    for (sample, view), shown in zip(addresses, train.stream(iter(addresses), augment), strict=True):
        expected = train.view(sample, view, augment)
        assert torch.equal(shown.pixels, expected.pixels)
        assert (shown.partner is None) == (mix == "none")
        if mix != "none":
            assert torch.equal(shown.partner_share, expected.partner_share)
            assert ((shown.partner_share >= 0) & (shown.partner_share < 1)).all()


def test_mixup_is_the_weighted_mean_of_both_views(train):
    augment = Augment(flip="none", mix="mixup")
    sample, view = torch.tensor([2, 5]), torch.tensor([0, 3])
    shown = train.view(sample, view, augment)
    bare = Augment(flip="none")
    own, other = train.view(sample, view, bare).pixels, train.view(shown.partner, view, bare).pixels
    share = shown.partner_share[:, None, None, None]
    torch.testing.assert_close(shown.pixels, own * (1 - share) + other * share)


def test_the_digest_names_content_side_and_labels(train):
    other = train.to("cpu")
    assert other.digest == train.digest
    del other.__dict__["digest"]
    other.labels = train.labels.flip(0)
    assert other.digest != train.digest
