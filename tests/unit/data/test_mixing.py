"""What is mixed into a view: shares drawn by inversion, boxes of the right area."""

import numpy as np
import pytest
import torch
from scipy import stats

from tutelage.data.mixing import BOX_COLUMN, BOX_ROW, beta, cutmix_box, span


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_distributed_like_beta(alpha):
    draws = (torch.arange(4096) + 0.5) / 4096
    shares = beta(draws, alpha)
    assert ((shares >= 0) & (shares < 1)).all()
    np.testing.assert_allclose(shares, stats.beta(alpha, alpha).ppf(draws.double()), atol=1 / 4096)


def test_a_span_is_clipped_at_the_border():
    inside = span(torch.tensor([0.0, 0.5, 0.999]), torch.tensor([4, 4, 4]), 10)
    assert [row.nonzero().flatten().tolist() for row in inside] == [[0, 1], [3, 4, 5, 6], [7, 8, 9]]


def test_a_box_has_its_share_as_area_and_the_images_ratio():
    draws = torch.full((3, 8), 0.5)
    share = torch.tensor([0.0, 0.25, 0.5])
    boxes = cutmix_box(draws, share, 40, 20)
    assert boxes.shape == (3, 40, 20)
    areas = boxes.double().mean((1, 2)).numpy()
    np.testing.assert_allclose(areas, share, atol=0.03)
    heights, widths = boxes.any(2).sum(1), boxes.any(1).sum(1)
    assert heights[1:].tolist() == [20, 28]
    assert widths[1:].tolist() == [10, 14]


def test_a_box_is_centred_where_its_draws_say():
    draws = torch.zeros(1, 8)
    draws[0, BOX_ROW], draws[0, BOX_COLUMN] = 0.75, 0.25
    (box,) = cutmix_box(draws, torch.tensor([0.0625]), 20, 20)
    rows, columns = box.nonzero().double().mean(0).tolist()
    assert (rows, columns) == (15, 5)
