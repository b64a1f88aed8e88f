"""What a user may ask of views, and what is said to the rest."""

import dataclasses

import pytest
from jaxtyping import config as jaxtyping_config

from tutelage.data.augment import Augment
from tutelage.errors import UserError


@pytest.fixture
def no_shape_checks():
    """Outside of the tests nothing checks a Literal before the class does."""
    jaxtyping_config.update("jaxtyping_disable", value=True)
    yield
    jaxtyping_config.update("jaxtyping_disable", value=False)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("crop_padding", -1, "augment.crop_padding is -1, expected 0 or more pixels"),
        ("cutout", -8, "augment.cutout is -8, expected 0 or more pixels"),
        ("padding", "edge", 'augment.padding is "edge"'),
        ("flip", "yes", 'augment.flip is "yes"'),
        ("mix", "cutmixup", 'augment.mix is "cutmixup"'),
        ("mix_alpha", 0.0, "augment.mix_alpha is 0, expected a number above 0"),
        ("mix_alpha", float("inf"), "augment.mix_alpha is inf, expected a number above 0"),
        ("mix_alpha", float("nan"), "augment.mix_alpha is nan, expected a number above 0"),
    ],
)
def test_values_out_of_range_are_refused(field, value, message, no_shape_checks):
    with pytest.raises(UserError) as caught:
        Augment(**{field: value})
    assert caught.value.message == message
    assert caught.value.hint


def test_the_edges_of_the_ranges_are_allowed():
    Augment(crop_padding=0, cutout=0, mix_alpha=1e-3)


def test_every_field_is_a_plain_value():
    """The settings go into the cache's identity as JSON."""
    assert all(type(value) in (int, float, str, bool) for value in dataclasses.asdict(Augment()).values())
