"""Intervals and tests against scipy's own paired tests, statsmodels, exact distributions and the literature."""

import doctest
import math
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutelage.measure.statistics import (
    better_than,
    binomial_interval,
    holm,
    how_little,
    image_interval,
    judged,
    mcnemar,
    paired_gain,
)

pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=20)


def spreads(drawn) -> bool:
    """Whether the differences are more than rounding."""
    return len({a - b for a, b in drawn}) > 1 and max(abs(a - b) for a, b in drawn) >= 1e-6


@settings(deadline=None, max_examples=60)
@given(pairs=pairs, confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_the_paired_t_test(pairs, confidence):
    if not spreads(pairs):
        return
    method, baseline = map(list, zip(*pairs, strict=True))
    gain = paired_gain(method, baseline, confidence)
    test = stats.ttest_rel(method, baseline)
    low, high = test.confidence_interval(confidence)
    assert gain["n"] == len(pairs)
    assert gain["mean"] == pytest.approx(sum(a - b for a, b in pairs) / len(pairs), abs=1e-12)
    assert (gain["low"], gain["high"]) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert gain["p"] == pytest.approx(test.pvalue, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(pairs=pairs, margin=st.sampled_from([0.003, 0.05, 0.4]))
def test_equivalence_is_that_of_statsmodels(pairs, margin):
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    if not spreads(pairs):
        return
    method, baseline = map(np.array, zip(*pairs, strict=True))
    p, _, _ = weightstats.ttost_paired(method, baseline, -margin, margin)
    assert paired_gain(list(method), list(baseline), margin=margin)["p_equivalent"] == pytest.approx(p, abs=1e-9)


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
    nothing = dict.fromkeys(("low", "high", "p", "p_equivalent"))
    assert gain == {"mean": pytest.approx(0.1), "n": n, "margin": 0.003, "pairs": "too few", **nothing}
    (told,) = judged([gain])
    assert (told["p_adjusted"], told["verdict"], told["equivalent"]) == (None, "few", None)


@pytest.mark.parametrize(("n", "pairs"), [(2, "too few"), (3, "few"), (4, "few"), (5, "enough")])
def test_few_pairs_are_called_few(n, pairs):
    assert paired_gain([float(i) for i in range(n)], [0.0] * n)["pairs"] == pairs


@pytest.mark.parametrize(("difference", "p", "p_equivalent"), [(0.25, 0.0, 1.0), (0.0, 1.0, 0.0)])
def test_equal_differences_have_no_spread(difference, p, p_equivalent):
    gain = paired_gain([0.5 + difference] * 4, [0.5] * 4)
    assert (gain["mean"], gain["low"], gain["high"], gain["p"]) == (difference, difference, difference, p)
    assert gain["p_equivalent"] == p_equivalent


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError):
        paired_gain([0.5, 0.6, 0.7], [0.5, 0.6])


@settings(deadline=None, max_examples=50)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holms_adjustment_is_that_of_statsmodels(p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    # statsmodels collects garbage in every call: half a second each where torch is loaded.
    with mock.patch("gc.collect"):
        expected = multitest.multipletests(p, method="holm")[1]
    assert holm(p) == pytest.approx(list(expected))


def test_of_many_methods_each_has_more_to_show():
    """p = 0.04 is a gain alone and none among three; the one below three pairs takes no part."""
    shown = [0.0112, 0.0, 0.0184]
    alone = paired_gain(shown, [0.0] * 3) | {"p": 0.04}
    assert judged([alone])[0]["verdict"] == "gain"
    others = [alone | {"p": 0.9}, alone | {"p": 0.5, "mean": -1.0}, paired_gain([0.1], [0.0])]
    told = judged([alone, *others])
    assert [gain["verdict"] for gain in told] == ["none", "none", "none", "few"]
    assert told[0]["p_adjusted"] == pytest.approx(0.12)
    assert judged([alone | {"mean": -0.01}])[0]["verdict"] == "loss"


def test_no_difference_worth_having_is_told_from_no_difference_shown():
    """Both hold 0; only the first rules out what is larger than the margin."""
    tight, wide = judged([paired_gain([0.001, -0.001, 0.0005], [0.0] * 3), paired_gain([0.1, -0.1, 0.02], [0.0] * 3)])
    assert (tight["verdict"], tight["equivalent"]) == ("none", True)
    assert (wide["verdict"], wide["equivalent"]) == ("none", False)


@settings(deadline=None, max_examples=8)
@given(images=st.integers(200, 2000), share=st.floats(0.1, 0.9))
def test_resampled_accuracies_have_the_binomial_distribution(images, share):
    right = np.arange(images) < round(share * images)
    low, high = image_interval(right, resamples=4000)
    exact_low, exact_high = np.array(stats.binom.interval(0.95, images, right.mean())) / images
    near = 0.2 * np.sqrt(share * (1 - share) / images) + 1 / images  # counts are whole
    assert low == pytest.approx(exact_low, abs=near)
    assert high == pytest.approx(exact_high, abs=near)


def test_the_same_images_have_the_same_interval():
    losses = np.random.default_rng(3).exponential(size=500)
    assert image_interval(losses) == image_interval(losses)
    assert image_interval([1.0] * 7) == (1.0, 1.0)


@settings(deadline=None, max_examples=40)
@given(table=st.tuples(*[st.integers(0, 40)] * 4))
def test_mcnemar_is_that_of_statsmodels(table):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    both, only_one, only_other, neither = table
    one = np.repeat([1, 1, 0, 0], table)
    other = np.repeat([1, 0, 1, 0], table)
    if not sum(table):
        return
    told = mcnemar(one, other)
    assert (told["only_one"], told["only_other"]) == (only_one, only_other)
    exact = tables.mcnemar([[both, only_one], [only_other, neither]], exact=True)
    expected = exact.pvalue if only_one + only_other else 1.0
    assert told["p"] == pytest.approx(min(1.0, expected))


def test_mcnemar_wants_the_same_images():
    with pytest.raises(ValueError, match="same images"):
        mcnemar([1, 0], [1, 0, 1])


PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "statistics.md"


def test_the_page_prints_what_it_says():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 10


def test_the_pages_examples_are_those_of_statsmodels():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    contingency = pytest.importorskip("statsmodels.stats.contingency_tables")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    gain = weightstats.DescrStatsW(np.subtract([0.8287, 0.8282, 0.8188], [0.7843, 0.7843, 0.7865]))
    low, high = gain.tconfint_mean(0.05)
    assert (round(100 * gain.mean, 2), round(100 * low, 2), round(100 * high, 2)) == (4.02, 2.32, 5.72)
    assert round(gain.ttest_mean(0)[1], 4) == 0.0095
    low, high = weightstats.DescrStatsW([0.8, 1.2]).tconfint_mean(0.05)
    assert (round(low, 1), round(high, 1)) == (-1.5, 3.5)
    assert list(multitest.multipletests([0.012, 0.030, 0.035], method="holm")[1].round(3)) == [0.036, 0.06, 0.06]
    same = np.subtract([0.7852, 0.7839, 0.7866, 0.7853, 0.7851], [0.7850, 0.7843, 0.7861, 0.7855, 0.7848])
    assert float(f"{weightstats.DescrStatsW(same).ttost_mean(-0.003, 0.003)[0]:.2g}") == 3e-05
    unknown = np.subtract([0.6386, 0.6438, 0.6416], [0.6591, 0.6237, 0.6476])
    assert round(weightstats.DescrStatsW(unknown).ttost_mean(-0.003, 0.003)[0], 2) == 0.47
    low, high = weightstats.DescrStatsW(unknown).tconfint_mean(0.05)
    assert (round(100 * low, 1), round(100 * high, 1)) == (-5.3, 4.9)
    assert round(contingency.mcnemar([[0, 402], [330, 0]], exact=True).pvalue, 4) == 0.0086
    low, high = proportion.proportion_confint(8250, 10_000, method="beta")
    assert low == pytest.approx(0.818, abs=7e-4)
    assert high == pytest.approx(0.833, abs=7e-4)


def test_the_interval_of_an_accuracy_is_wilsons():
    z, p, n = 1.959963984540054, 0.9, 1000
    centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    expected = pytest.approx(((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)))
    assert binomial_interval(p, n) == expected
    assert binomial_interval(1.0, 100)[0] < 1.0


def test_guessing_is_told_from_knowing_by_the_binomial_distribution():
    chance = sum(math.comb(14, k) * 0.25**k * 0.75 ** (14 - k) for k in range(7, 15))
    assert better_than(0.25, 7, 14) == pytest.approx(chance)
    assert better_than(1.0, 14, 14) == 1.0, "one class only: nothing is shown"


def test_it_is_said_how_little_few_images_say():
    assert "26.8 % to 73.2 %" in how_little(14)
    assert how_little(1, "test").startswith("1 test image is few")
    assert how_little(400) == ""
