"""Batches of two views of every image."""

import torch

import small
from tutelage.data.second import TwoViews, stronger


def test_a_batch_holds_all_first_views_and_then_all_second_ones():
    train = small.digits().train
    second = stronger(small.AUGMENT, train)
    sample, view = torch.tensor([3, 900, 3]), torch.tensor([0, 1, 1])
    both = TwoViews(train, second)
    pixels = both.view(sample, view, small.AUGMENT).pixels
    assert torch.equal(pixels[:3], train.view(sample, view, small.AUGMENT).pixels)
    assert torch.equal(pixels[3:], train.view(sample, view, second).pixels)
    [streamed] = both.to("cpu").stream([(sample, view)], small.AUGMENT)
    assert torch.equal(streamed.pixels, pixels)
    assert torch.equal(both.plain(sample), train.plain(sample))
    assert len(both) == len(train)


def test_the_stronger_view_is_another_draw_with_half_the_side_painted_over(tmp_path):
    train = small.digits().train
    second = stronger(small.AUGMENT, train)
    assert (second.cutout, second.trivial) == (4, False)
    assert second.seed != small.AUGMENT.seed
    assert second.crop_padding == small.AUGMENT.crop_padding
