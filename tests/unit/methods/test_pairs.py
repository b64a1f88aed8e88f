"""Which stages are compared, and what is said where none can be.

Seen to fail: zip() for the least difference of resolutions, shallow stages among equals, no swap where the student has
more stages, sides for areas, positions from 1, and pooling to the larger map.
"""

import pytest
import torch
import torch.nn.functional as F

from tutelage.errors import UserError
from tutelage.methods import AT, FSP, SP, FitNet, ReviewKD, SemCKD, SimKD
from tutelage.methods._pairs import describe_pairs, pair_stages, same_size, shrink
from tutelage.outputs import Sizes


def sizes(*sides, name="layer", channels=8, embedding=4):
    shapes = tuple((channels, *(side if isinstance(side, tuple) else (side, side))) for side in sides)
    return Sizes(10, embedding, shapes, tuple(f"{name}{i + 1}" for i in range(len(shapes))))


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        ((32, 16, 8), (32, 16, 8), ((0, 0), (1, 1), (2, 2))),
        ((32, 16, 8), (56, 28, 7), ((0, 0), (1, 1), (2, 2))),  # equal numbers: in order
        ((32, 16, 8), (32, 16, 8, 4, 4), ((0, 0), (1, 1), (2, 2))),
        ((16, 8, 4), (32, 16, 8, 4, 4), ((0, 1), (1, 2), (2, 4))),  # of two alike the deeper
        ((32, 16, 8, 4), (16, 8, 4), ((1, 0), (2, 1), (3, 2))),  # the student has more
        ((32, 16, 8), (56, 28, 14, 7), ((0, 1), (1, 2), (2, 3))),  # 28, 14 and 7 are nearest
        ((8,), (32, 16, 8, 4), ((0, 2),)),
        (((8, 32), (4, 16)), (16, (16, 16), 8, 8), ((0, 1), (1, 3))),  # not square: the side of the same area
    ],
)
def test_stages_are_paired_by_resolution(student, teacher, expected):
    assert pair_stages(sizes(*student), sizes(*teacher)) == expected


def test_pairs_given_by_path_and_position():
    student, teacher = sizes(32, 16, 8), sizes(32, 16, 8, 4, name="blocks.")
    assert pair_stages(student, teacher, ("layer2:blocks.4", "0:1", "layer3:0")) == ((1, 3), (0, 1), (2, 0))


def test_a_path_made_of_digits_is_a_path_first():
    student = Sizes(10, None, ((8, 4, 4), (8, 2, 2)), ("1", "0"))
    assert pair_stages(student, student, ("1:0",)) == ((0, 1),)


def test_pairs_are_described_in_one_line_each():
    student, teacher = sizes(32, 16), Sizes(10, None, ((64, 16, 8),))
    assert describe_pairs(student, teacher, ((1, 0),)) == ("student layer2 [8, 16, 16] <- teacher stage 0 [64, 16, 8]",)


@pytest.mark.parametrize("text", ["layer1", "layer1:layer1:layer1", ""])
def test_a_text_that_is_no_pair(text):
    with pytest.raises(UserError, match=f'method.pairs has "{text}": not a pair') as error:
        pair_stages(sizes(8), sizes(8), (text,))
    assert "layer2:1" in error.value.hint


@pytest.mark.parametrize(("text", "whose", "name"), [("layr1:0", "student", "layr1"), ("0:2", "teacher", "2")])
def test_an_unknown_stage_is_named_with_those_that_exist(text, whose, name):
    with pytest.raises(UserError) as error:
        pair_stages(sizes(8, 4), sizes(8, 4), (text,))
    assert error.value.message == f'unknown {whose} stage "{name}"'
    assert error.value.hint == f"stages of the {whose}: 0 = layer1 [8, 8, 8], 1 = layer2 [8, 4, 4]"


@pytest.mark.parametrize("method", [AT(), FitNet(), FSP(), ReviewKD(), SemCKD()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("whose", ["student", "teacher"])
def test_a_network_without_stages_is_refused(method, whose):
    pair = {"student": sizes(8, 4), "teacher": sizes(8, 4)} | {whose: Sizes(10, 4)}
    with pytest.raises(UserError, match=f"the {whose} has no feature stages") as error:
        method.adapters(pair["student"], pair["teacher"], 9)
    assert error.value.hint == f"name them: --{whose}.stages layer1,layer2,layer3"


def test_simkd_needs_a_stage_of_the_student():
    with pytest.raises(UserError, match="this student has no stages"):
        SimKD().adapters(Sizes(10, 4), sizes(8), 9)


def test_fsp_names_both_layers_and_both_shapes():
    with pytest.raises(UserError) as error:
        FSP().adapters(sizes(32, 16), sizes(32, 16, channels=12, name="block"), 9)
    expected = "fsp needs equal numbers of channels, not student layer1 [8, 32, 32] and teacher block1 [12, 32, 32]"
    assert error.value.message == expected
    assert "another method" in error.value.hint


def test_fsp_needs_neighbours():
    with pytest.raises(UserError, match=r"only the pair of student layer1 \[8, 32, 32\] and teacher layer1"):
        FSP().adapters(sizes(32), sizes(32), 9)


@pytest.mark.parametrize(
    "method",
    [FSP(pairs=("1:1", "0:0")), ReviewKD(pairs=("0:1", "1:1")), ReviewKD(pairs=("1:0", "0:1"))],
    ids=["both", "teacher", "student"],
)
def test_pairs_out_of_order_are_refused_where_order_matters(method):
    with pytest.raises(UserError, match="from shallow to deep") as error:
        method.adapters(sizes(32, 16), sizes(32, 16), 9)
    assert error.value.message.count("<- teacher") == 2


def test_a_methods_adapters_hold_the_pairs_that_it_compares():
    student, teacher = sizes(16, 8, 4), sizes(32, 16, 8, 4)
    assert AT().adapters(student, teacher, 9).pairs == ((0, 1), (1, 2), (2, 3))
    assert FitNet().adapters(student, teacher, 9).pairs == ((1, 2),)
    assert SP().adapters(student, teacher, 9).pairs == ((2, 3),)
    assert len(SemCKD().adapters(student, teacher, 9).regressors) == 12


def test_maps_are_averaged_to_the_smaller_side_of_each_axis():
    a, b = torch.randn(2, 3, 8, 2), torch.randn(2, 5, 4, 6)
    x, y = same_size(a, b)
    assert x.shape == (2, 3, 4, 2)
    assert y.shape == (2, 5, 4, 2)
    torch.testing.assert_close(x, (a[:, :, ::2] + a[:, :, 1::2]) / 2)
    torch.testing.assert_close(y, torch.stack([b[..., :3].mean(-1), b[..., 3:].mean(-1)], -1))


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("width", [3, 4, 8])
def test_shrinking_is_adaptive_average_pooling(height, width):
    x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(shrink(x, height, width), F.adaptive_avg_pool2d(x, (height, width)))
