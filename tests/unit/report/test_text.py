"""Numbers as people read them, on the edges that the examples in the docstrings leave out."""

import pytest

from tutelage.report import text


@pytest.mark.parametrize(
    ("share", "places", "expected"),
    [(1.0, 1, "100.0 %"), (0.0, 2, "0.00 %"), (0.99999, 1, "100.0 %"), (None, 2, "-")],
)
def test_a_share_is_a_percentage(share, places, expected):
    assert text.percent(share, places) == expected


@pytest.mark.parametrize(("difference", "expected"), [(-0.0004, "0.0"), (0.0005001, "+0.1"), (-1.0, "-100.0")])
def test_a_difference_has_a_sign_unless_it_is_none(difference, expected):
    assert text.points(difference) == expected


def test_an_interval_may_cross_zero_or_not_exist():
    assert text.interval({"low": -0.01, "high": 0.02}) == "-1.0 to 2.0"
    assert text.interval({"low": None, "high": None}) == ""


def test_the_spread_is_that_of_a_sample():
    assert text.spread([0.5, 0.7], 1) == "60.0 +- 14.1 %"


@pytest.mark.parametrize(("number", "expected"), [(999_999, "999,999"), (1e6, "1 M"), (4.1e9, "4.1 G"), (0, "0")])
def test_counts_are_short_from_a_million_on(number, expected):
    assert text.count(number) == expected


@pytest.mark.parametrize(("images", "places"), [(1999, 1), (2000, 2)])
def test_no_more_decimals_than_images_can_tell_apart(images, places):
    assert text.decimals(images) == places


def test_signs_and_spaces_are_typeset_and_names_are_left_alone():
    assert (
        text.typeset("n = 3, -1 to +2 %")
        == "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3, \N{MINUS SIGN}1 to +2\N{NO-BREAK SPACE}%"
    )
    assert text.typeset("wrn-16-2") == "wrn-16-2"
    assert all(ord(c) < 128 for c in text.spread([0.1, 0.2]) + text.points(-0.1) + text.share_of(1, 3))
