"""The parts that several methods put between the two networks."""

import pytest
import torch
from torch import nn

from tutelage.errors import UserError
from tutelage.methods import AT, KD, Sum
from tutelage.methods.adapters import (
    FrozenHead,
    StagePairs,
    conv_bn,
    embedding_widths,
    pairs_in_words,
    stages_read,
)
from tutelage.outputs import Head, Sizes

SMALL = Sizes(10, 4, ((8, 16, 16), (16, 8, 8)), ("one", "two"))
LARGE = Sizes(10, 6, ((16, 16, 16), (32, 8, 8), (64, 4, 4)), ("a", "b", "c"), Head(torch.ones(10, 6), torch.zeros(10)))


def test_stages_are_handed_over_in_pairs_the_teachers_detached():
    student = [torch.randn(2, 8, 4, 4, requires_grad=True), torch.randn(2, 8, 2, 2, dtype=torch.float16)]
    teacher = [torch.randn(2, 8, 4, 4, requires_grad=True), torch.randn(2, 8, 2, 2)]
    (first, second) = StagePairs(((0, 0), (1, 1)))(student, teacher)
    assert first[0].requires_grad
    assert not first[1].requires_grad
    assert second[0].dtype == torch.float32


def test_pairs_are_told_for_the_log_also_those_of_a_part():
    line = "student two [16, 8, 8] <- teacher b [32, 8, 8]"
    pairs = StagePairs(((1, 1),))
    assert pairs_in_words(pairs, SMALL, LARGE) == [line]
    assert pairs_in_words(nn.ModuleDict({"first": nn.Identity(), "second": pairs}), SMALL, LARGE) == [line]
    assert pairs_in_words(nn.Identity(), SMALL, LARGE) == []


@pytest.mark.parametrize(
    ("method", "stages"),
    [(KD(), 0), (AT(), 2), (AT(pairs=("0:0",)), 1), (Sum(KD(), AT()), 0)],
    ids=["kd", "at", "one", "sum"],
)
def test_a_teacher_is_run_no_deeper_than_a_method_looks(method, stages):
    assert stages_read(method.needs, method.adapters(SMALL, LARGE, 9), LARGE) == stages


def test_a_frozen_head_is_the_teachers_and_is_not_trained():
    head = FrozenHead(LARGE)
    assert list(head.parameters()) == []
    assert torch.equal(head(torch.full((1, 6), 2.0)), torch.full((1, 10), 12.0))
    with pytest.raises(UserError, match="this teacher has none"):
        FrozenHead(LARGE._replace(head=None))


def test_embeddings_have_to_be_there():
    assert embedding_widths(SMALL, LARGE) == (4, 6)
    with pytest.raises(UserError, match="the student has none"):
        embedding_widths(SMALL._replace(embedding=None), LARGE)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("relu", [False, True])
def test_a_convolution_keeps_the_size(kernel, relu):
    made = conv_bn(3, 5, kernel, relu=relu)
    out = made(torch.randn(2, 3, 7, 4))
    assert out.shape == (2, 5, 7, 4)
    assert made[0].bias is None
    assert bool((out >= 0).all()) == relu
