"""The ladder of students for microcontrollers: the largest that fits is chosen, from a table that was measured."""

import inspect

import pytest

from tutelage.edge.bytes import Budget
from tutelage.errors import UserError
from tutelage.models import Model, ladder, mobilenet_v1, resnet_cifar

SMALL, MIDDLE, LARGE = (Model("ds_cnn", options={"width": width}) for width in (32, 64, 128))


@pytest.fixture
def table(monkeypatch):
    """Three networks at three sizes; RAM is a thousand times the width, and four times that beyond 32 pixels."""

    def row(width: int) -> dict:
        numbers = {"model": 10 * width, "code": 7, "head": 900 * width, "tail": 100 * width, "macs": width**2}
        larger = numbers | {"head": 3900 * width, "macs": 4 * width**2}
        return {"class": {"model": 3, "ram": 2, "macs": 1}, "sizes": {"32": numbers, "48": larger, "64": larger}}

    found = {ladder.called(model): row(model.options["width"]) for model in (SMALL, MIDDLE, LARGE)}
    monkeypatch.setattr(ladder, "_table", lambda: found)
    return found


def widths(found: ladder.Choice) -> tuple:
    return tuple(rung and rung.model.options["width"] for rung in found)


@pytest.mark.parametrize(
    ("flash", "ram", "expected"),
    [
        (10_000, 10**6, (128, 64, None)),
        (10_000, 64_000, (64, 32, 128)),
        (10_000, 63_999, (32, None, 64)),
        (647, 10**6, (64, 32, 128)),
        (646, 10**6, (32, None, 64)),
    ],
)
def test_the_largest_that_fits_stands_between_its_neighbours(table, flash, ram, expected):
    assert widths(ladder.choose(Budget(flash, ram), 32, 10)) == expected


def test_between_two_sizes_the_larger_counts(table):
    budget = Budget(10_000, 128_000)
    assert widths(ladder.choose(budget, 32, 10))[0] == 128
    assert widths(ladder.choose(budget, 33, 10))[0] == 32
    assert ladder.choose(budget, 33, 10).rung.size == 48
    assert ladder.choose(budget, 8, 10).rung.size == 32


def test_more_classes_take_more(table):
    ten, hundred = ladder.measured(SMALL, 32), ladder.measured(SMALL, 32, 100)
    assert (hundred.flash - ten.flash, hundred.ram - ten.ram, hundred.macs - ten.macs) == (270, 180, 90)


def test_what_fits_nowhere_is_refused_with_the_least_and_a_size_that_would_do(table):
    with pytest.raises(UserError, match=r"fits 9k/64k with images of 64 pixels: least flash 327 bytes") as raised:
        ladder.choose(Budget(9 * 1024, 64 * 1024), 64, 10)
    assert "least RAM 128,000 bytes (ds_cnn, width 32)" in raised.value.message
    assert raised.value.hint == "--data.size 32 fits"
    with pytest.raises(UserError) as raised:
        ladder.choose(Budget(9 * 1024, 9), 64, 10)
    assert raised.value.hint == "a chip with more memory, or fewer classes"


def test_a_budget_whose_unit_was_forgotten_is_said_to_be_in_bytes(table):
    with pytest.raises(UserError) as raised:
        ladder.choose(Budget(256, 96), 32, 10)
    assert raised.value.hint == "256/96 is in bytes: 256k/96k is in units of 1,024"


def test_images_beyond_the_ladder_are_refused():
    with pytest.raises(UserError, match="ends at images of 224 pixels, and these have 225"):
        ladder.rungs(225)


def test_a_network_that_was_not_measured_is_not_known(table):
    assert ladder.measured(Model("resnet8"), 32) is None
    assert ladder.measured(SMALL, 96) is None


def test_why_a_network_is_not_there_is_said_in_a_word(table):
    said = "TensorFlow Lite Micro lacks what this student needs: SELECT_V2 (of act), GELU (of a.b)"
    table |= {"vgg8": {"lacks": said}, "vgg13": {"lacks": "the network cannot be converted: ValueError"}}
    words = [ladder.why_not(Model(name)) for name in ("vgg8", "vgg13", "resnet20", "resnet50_cifar", "timm:resnet50")]
    assert words == ["lacks SELECT_V2, GELU", "not converted", "not measured", "too large", "not measured"]


def test_widths_that_nobody_gave_are_the_functions_own():
    functions = {**vars(mobilenet_v1), **vars(resnet_cifar)}
    for name, width in ladder.DEFAULTS.items():
        assert inspect.signature(functions[name]).parameters["width"].default == width


def test_the_measured_table_is_whole_and_grows():
    """Every network of the ladder at every size; more pixels and wider layers take more."""
    for model in ladder.models():
        found = [ladder.measured(model, size) for size in ladder.SIZES]
        assert all(found), ladder.called(model)
        assert [rung.ram for rung in found] == sorted(rung.ram for rung in found)
        assert [rung.macs for rung in found] == sorted(rung.macs for rung in found)
    for name, of in ladder.WIDTHS.items():
        rungs = [ladder.measured(Model(name, options={"width": width}), 96) for width in of]
        assert [rung.flash for rung in rungs] == sorted(rung.flash for rung in rungs)
        assert [rung.ram for rung in rungs] == sorted(rung.ram for rung in rungs)


def test_mlperf_tinys_visual_wake_words_is_where_its_authors_have_it():
    """Banbury et al. 2021, table 1: a model of 325 kB."""
    rung = ladder.measured(Model("mobilenet_v1", options={"width": 0.25}), 96, 2)
    assert 250_000 < rung.flash < 400_000
    assert rung.macs == pytest.approx(7.49e6, rel=0.01)
