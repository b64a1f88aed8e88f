"""Sizes of memory: units parsed, what is no size refused in a sentence."""

import pytest

from tutelage.edge.bytes import Budget, budget, parsed
from tutelage.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("256k", 2**18), ("96KiB", 98304), ("1M", 2**20), ("1.5m", 3 * 2**19), ("2MB", 2_000_000), (" 64 kB ", 64000)],
)
def test_units(text, expected):
    assert parsed(text, "--flash") == expected


@pytest.mark.parametrize("text", ["", "big", "256Q", "256 kb", "2Mb", "-5k", "1,5k", "0x10", "1e3", "256k/96k", "5 B"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="is no size of memory") as raised:
        parsed(text, "--flash")
    assert "256k" in raised.value.hint


@pytest.mark.parametrize("text", ["0", "0k", "0.0001"])
def test_nothing_is_refused(text):
    with pytest.raises(UserError, match="less than one byte"):
        parsed(text, "--ram")


def test_a_budget_is_flash_and_ram():
    assert budget("256k/96 KiB", "--fit-in") == Budget(flash=262_144, ram=98_304)
    assert str(budget("2M/1000", "--fit-in")) == "2M/1000"


@pytest.mark.parametrize("text", ["256k", "256k/96k/1k", ""])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(UserError, match="is no FLASH/RAM") as raised:
        budget(text, "--fit-in")
    assert "--fit-in 256k/96k" in raised.value.hint


def test_a_budget_in_wrong_units_is_refused():
    with pytest.raises(UserError, match='--fit-in "96kb" is no size of memory'):
        budget("256k/96kb", "--fit-in")
