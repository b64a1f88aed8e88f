"""Says what may be claimed from paired seeds, and from the images of one split; the arithmetic is that of scipy."""

from typing import Any, Literal, TypedDict

import numpy as np

from tutelage.shares import percent

MARGIN = 0.003
"""Differences of accuracy below 0.3 points are called none worth having, unless another margin is asked for."""
LEVEL = 0.05
"""The level of every test, and 1 - the confidence of every interval."""
FEW, ENOUGH = 3, 5
"""Pairs: below the first no interval is given; below the second it is there, and very wide."""
ENOUGH_IMAGES = 400
"""With fewer images, an accuracy of one half is known to no better than 5 points on either side."""

Verdict = Literal["gain", "loss", "none", "few"]
"""What is said of a paired difference: shown to be above or below 0, no difference shown, or too few pairs to tell."""


class Gain(TypedDict):
    """The mean difference of paired runs, in the unit of their numbers."""

    mean: float
    n: int
    """Pairs."""
    margin: float
    """The largest difference that is none worth having."""
    pairs: Literal["too few", "few", "enough"]
    """Too few: fewer than 3, and the five numbers below are None. Few: fewer than 5."""
    low: float | None
    high: float | None
    """The ends of the two-sided t-interval."""
    p: float | None
    """Two-sided t-test of no difference."""
    p_equivalent: float | None
    """Two one-sided t-tests (Schuirmann 1987): small where the difference is shown to lie within +- margin."""


class Judged(Gain):
    """A gain with what may be said of it beside those of the other methods of a study."""

    p_adjusted: float | None
    """Holm 1979; None where there is no p."""
    verdict: Verdict
    """A gain or a loss where p_adjusted is at most 0.05."""
    equivalent: bool | None
    """Whether a difference beyond the margin is ruled out, each method for itself; None below three pairs."""


class McNemar(TypedDict):
    """McNemar's test of two networks on the same images."""

    only_one: int
    only_other: int
    """Images that one network alone has right."""
    p: float


def paired_gain(
    method: list[float], baseline: list[float], confidence: float = 1 - LEVEL, margin: float = MARGIN
) -> Gain:
    """The mean difference of paired runs, with a two-sided t-interval where there are at least three pairs.

    Args:
        method: One number a seed.
        baseline: The same seeds in the same order.
        confidence: Of the interval.
        margin: The largest difference that is none worth having, in the numbers' unit.

    >>> gain = paired_gain([0.50, 0.52, 0.54], [0.49, 0.50, 0.51])
    >>> [round(gain[name], 4) for name in ("mean", "low", "high", "p")]
    [0.02, -0.0048, 0.0448, 0.0742]
    """
    differences = np.subtract(method, baseline)
    mean, n = float(differences.mean()), len(differences)
    gain: Gain = {
        "mean": mean,
        "n": n,
        "margin": margin,
        "pairs": "too few" if n < FEW else "few" if n < ENOUGH else "enough",
        "low": None,
        "high": None,
        "p": None,
        "p_equivalent": None,
    }
    if n < FEW:
        return gain
    if np.ptp(differences) == 0:
        return {**gain, "low": mean, "high": mean, "p": float(mean == 0), "p_equivalent": float(abs(mean) >= margin)}
    from scipy import stats

    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(confidence)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    p_equivalent = float(max(above, below))
    return {**gain, "low": float(low), "high": float(high), "p": float(test.pvalue), "p_equivalent": p_equivalent}


def judged(gains: list[Gain]) -> list[Judged]:
    """The gains of all methods of a study with what may be said of each, corrected for their number.

    Args:
        gains: One a method, against the same baseline on the same split.

    >>> kd = paired_gain([0.50, 0.52, 0.55], [0.40, 0.42, 0.44])
    >>> dkd = paired_gain([0.41, 0.41, 0.45], [0.40, 0.42, 0.44])
    >>> [(g["verdict"], g["equivalent"]) for g in judged([kd, dkd])]
    [('gain', False), ('none', False)]
    """
    adjusted = iter(holm([gain["p"] for gain in gains if gain["p"] is not None]))
    found: list[Judged] = []
    for gain in gains:
        p = None if gain["p"] is None else next(adjusted)
        verdict: Verdict = "few" if p is None else "none" if p > LEVEL else "gain" if gain["mean"] > 0 else "loss"
        equivalent = None if gain["p_equivalent"] is None else gain["p_equivalent"] <= LEVEL
        found.append({**gain, "p_adjusted": p, "verdict": verdict, "equivalent": equivalent})
    return found


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjustment (1979): p-values that may each be compared with the level of the whole family.

    The smallest of m is multiplied by m, the next by m - 1, ...; none is smaller than the one before, none above 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)).clip(max=1)
    adjusted = np.empty(len(p))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def image_interval(values: Any, confidence: float = 1 - LEVEL, resamples: int = 1000) -> tuple[float, float]:
    """A bootstrap interval of the mean over a split's images: what other images of the same kind might have given.

    It says nothing of other seeds. Percentile bootstrap (Efron 1979), the same resamples at every call.

    Args:
        values: One number an image: 1 where a prediction is right and 0 elsewhere, or a loss.
        confidence: Of the interval.
        resamples: Of the images, with replacement.
    """
    from scipy import stats

    values = np.asarray(values, dtype=float)
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // len(values)),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def binomial_interval(share: float, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an accuracy (1927): what other images of the same kind might have given.

    >>> [round(end, 4) for end in binomial_interval(0.9, 100)]
    [0.8256, 0.9448]
    """
    from scipy import stats

    ends = stats.binomtest(round(share * images), images).proportion_ci(confidence_level=1 - LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def better_than(share: float, right: int, images: int) -> float:
    """p of the one-sided binomial test: how often guesses that are right with this chance do as well.

    >>> round(better_than(0.5, 9, 10), 4)
    0.0107
    """
    from scipy import stats

    return float(stats.binomtest(right, images, share, alternative="greater").pvalue)


def how_little(images: int, split: str = "validation") -> str:
    """What a split of few images leaves open, in a sentence; empty where half right is known to `ENOUGH_IMAGES`.

    >>> print(how_little(14))  # doctest: +NORMALIZE_WHITESPACE
    14 validation images are few: of a network that is right on 7 of them, 26.8 % to 73.2 % is all that is known
    (95 % interval, binomial); one image is 7.1 points
    >>> how_little(1000)
    ''
    """
    if images >= ENOUGH_IMAGES:
        return ""
    right, are = round(images / 2), "images are" if images > 1 else "image is"
    low, high = binomial_interval(right / images, images)
    return (
        f"{images:,} {split} {are} few: of a network that is right on {right:,} of them, {percent(low)} to "
        f"{percent(high)} is all that is known (95 % interval, binomial); one image is {100 / images:.1f} points"
    )


def mcnemar(one: Any, other: Any) -> McNemar:
    """McNemar's exact test (1947) of two networks on the same images: are both equally often right?

    It compares these two networks, not the recipes they came from: that takes seeds.

    Args:
        one: Where the first network is right, one truth value an image.
        other: The same of the second.

    >>> mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    {'only_one': 6, 'only_other': 0, 'p': 0.03125}
    """
    from scipy import stats

    one, other = np.asarray(one, dtype=bool), np.asarray(other, dtype=bool)
    if one.shape != other.shape:
        raise ValueError(f"{one.shape} and {other.shape} are not the same images")
    alone, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    unequal = alone + only_other
    p = float(stats.binomtest(alone, unequal).pvalue) if unequal else 1.0
    return {"only_one": alone, "only_other": only_other, "p": p}
