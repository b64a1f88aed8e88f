"""Shares as people read them."""

import pytest

from tutelage.shares import percent


@pytest.mark.parametrize(
    ("share", "places", "text"), [(0.9375, 2, "93.75 %"), (1.0, 0, "100 %"), (0.0, 1, "0.0 %"), (None, 1, "-")]
)
def test_a_share_is_a_number_a_space_and_the_sign(share, places, text):
    assert percent(share, places) == text
