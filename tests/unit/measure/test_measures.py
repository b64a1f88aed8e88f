"""The table of measures: each row is whole, and the Brier score is that of scikit-learn and of Brier's own example."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from tutelage.measure.classifier import measure
from tutelage.measure.measures import MEASURES, directions, missing, taken


@settings(deadline=None, max_examples=40)
@given(images=st.integers(1, 60), classes=st.integers(2, 12), seed=st.integers(0, 1000), scale=st.floats(0.1, 30))
def test_the_brier_score_is_that_of_scikit_learn(images, classes, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, generator=generator) * scale
    labels = torch.randint(classes, (images,), generator=generator)
    p = logits.double().softmax(dim=1).numpy()
    every = list(range(classes))
    # With two classes scikit-learn takes the probability of the second.
    expected = brier_score_loss(labels, p if classes > 2 else p[:, 1], labels=every, scale_by_half=False)
    assert measure(logits, labels)["brier"] == pytest.approx(expected, abs=1e-12)


def test_the_brier_score_by_hand():
    """Certain and right 0, certain and wrong 2, all classes alike 1 - 1/C."""
    certain = torch.tensor([[200.0, 0.0, 0.0, 0.0]])
    assert measure(certain, torch.tensor([0]))["brier"] == pytest.approx(0)
    assert measure(certain, torch.tensor([3]))["brier"] == pytest.approx(2)
    assert measure(torch.zeros(5, 4), torch.tensor([0, 1, 2, 3, 3]))["brier"] == pytest.approx(0.75)
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
    assert measure(logits, torch.tensor([1]))["brier"] == pytest.approx(0.7**2 + 0.8**2 + 0.1**2, abs=1e-6)


def test_better_answers_are_better_in_the_direction_that_a_row_says():
    labels = torch.arange(8).repeat(5)
    sharp = torch.nn.functional.one_hot(labels, 8) * 6.0
    worse = sharp.roll(1, dims=0)
    good, bad = (taken(measure(logits, labels)) for logits in (sharp, worse))
    for name, row in MEASURES.items():
        if row.better != "neither":
            assert (good[name] > bad[name]) == (row.better == "higher"), name
    assert directions(["confidence"]) == ""


def test_what_does_not_apply_is_not_taken():
    logits, labels = torch.randn(9, 5), torch.randint(5, (9,))
    alone, taught = measure(logits, labels), measure(logits, labels, logits)
    assert "top5" not in alone
    assert set(taken(taught)) - set(taken(alone)) == {name for name, row in MEASURES.items() if row.of_teacher}
    assert missing(alone, taught=False) == []
    del taught["brier"], taught["agreement"]
    assert missing(taught, taught=True) == ["brier", "agreement"]


def test_every_number_is_finite_and_written():
    logits = torch.tensor([[1e30, 0.0], [0.0, 1e4], [-1e4, 0.0]])
    measured = taken(measure(logits, torch.tensor([0, 1, 0]), logits.flip(0)))
    for name, value in measured.items():
        if name not in ("nll", "kl_to_teacher"):
            assert math.isfinite(value), name
        assert MEASURES[name].text(value)
    assert MEASURES["top1"].text(np.float64(0.5), 1) == "50.0 %"
    assert MEASURES["nll"].text(None) == "-"
