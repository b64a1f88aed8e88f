"""What a file takes of a chip, compared with what is there."""

import pytest

from tutelage.errors import UserError
from tutelage.export.needs import Needs, refuse_too_large

NEEDS = Needs(100_000, 40_000, 50_000, 8_000, ("CONV_2D",))


def test_the_sums():
    assert (NEEDS.flash, NEEDS.arena) == (140_000, 58_000)
    told = NEEDS.told()
    assert told["flash_bytes"] == {"total": 140_000, "model": 100_000, "code_estimate": 40_000}
    assert told["ram_bytes"] == {"arena": 58_000, "head": 50_000, "tail": 8_000}


def test_what_fits_to_the_byte_fits():
    refuse_too_large(NEEDS, None, None)
    refuse_too_large(NEEDS, 140_000, 58_000)


@pytest.mark.parametrize(
    ("flash", "ram", "words"),
    [
        (139_999, None, ["flash: 140,000 bytes", "100,000 of the model", "139,999 are there"]),
        (None, 57_999, ["RAM: 58,000 bytes", "50,000 for activations", "57,999 are there"]),
        (1, 1, ["flash: 140,000", "RAM: 58,000"]),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(flash, ram, words):
    with pytest.raises(UserError, match="the student does not fit") as raised:
        refuse_too_large(NEEDS, flash, ram)
    assert all(word in raised.value.message for word in words)
    assert ("RAM" in raised.value.message) == (ram is not None)
