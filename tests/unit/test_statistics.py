"""Intervals against scipy's paired t-test and a textbook."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutelage.statistics import paired_gain

pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=20)


@settings(deadline=None, max_examples=60)
@given(pairs=pairs, confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_the_paired_t_test(pairs, confidence):
    method, baseline = map(list, zip(*pairs, strict=True))
    if len({a - b for a, b in pairs}) == 1 or max(abs(a - b) for a, b in pairs) < 1e-6:
        return
    gain = paired_gain(method, baseline, confidence)
    test = stats.ttest_rel(method, baseline)
    low, high = test.confidence_interval(confidence)
    assert gain["n"] == len(pairs)
    assert gain["mean"] == pytest.approx(sum(a - b for a, b in pairs) / len(pairs), abs=1e-12)
    assert (gain["low"], gain["high"]) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert gain["p"] == pytest.approx(test.pvalue, abs=1e-12)


def test_students_own_example():
    """Student 1908, "The probable error of a mean": additional hours of sleep of ten patients, two drugs.

    The paired differences have mean 1.58, t = 4.06 with 9 degrees of freedom, p = 0.0028, and the interval
    (0.70, 2.46), as in R's help of t.test(extra ~ group, data = sleep, paired = TRUE).
    """
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    gain = paired_gain(second, first)
    rounded = {name: round(gain[name], digits) for name, digits in (("mean", 2), ("low", 4), ("high", 4), ("p", 5))}
    assert rounded == {"mean": 1.58, "low": 0.7001, "high": 2.4599, "p": 0.00283}


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_pairs_nothing_is_claimed(n):
    gain = paired_gain([0.5] * n, [0.4] * n)
    assert gain == {"mean": pytest.approx(0.1), "n": n, "low": None, "high": None, "p": None}


@pytest.mark.parametrize(("difference", "p"), [(0.25, 0.0), (0.0, 1.0)])
def test_equal_differences_have_no_spread(difference, p):
    gain = paired_gain([0.5 + difference] * 4, [0.5] * 4)
    assert (gain["mean"], gain["low"], gain["high"], gain["p"]) == (difference, difference, difference, p)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError):
        paired_gain([0.5, 0.6, 0.7], [0.5, 0.6])
