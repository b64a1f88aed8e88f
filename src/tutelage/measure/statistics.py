"""Says what may be claimed from paired seeds, and from the images of one split; the arithmetic is that of scipy."""

import math
from statistics import NormalDist
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
FEW_OF_A_CLASS, FEW_TO_VALIDATE = 20, 50
"""Training images of a class, and validation images: below either, what can be claimed is said before training."""
LEAST_DIFFERING = 6
"""Images that one network alone must have right before McNemar's test tells it from the other."""

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


def folds_interval(values: list[float], folds: int) -> tuple[float, float] | None:
    """A 95 % interval of the mean over the folds of a cross-validation, which share most of their training images.

    Student's t on n - 1 degrees of freedom with the variance (1/n + n_test/n_train) s^2 in place of s^2/n: Nadeau &
    Bengio 2003, doi:10.1023/A:1024068626366, section 5.3; repeated k-fold, with n_test/n_train = 1/(k - 1): Bouckaert &
    Frank 2004, doi:10.1007/978-3-540-24775-3_3. The plain interval is too narrow: with five folds 0.67 of this one.

    Args:
        values: One number a fold, of all repeats: accuracies, or paired differences of two methods.
        folds: k, into how many parts each repeat divides the images.

    Returns:
        Its ends; None below three numbers.

    >>> low, high = folds_interval([0.02, 0.00, 0.04, 0.02, 0.02], 5)
    >>> round(low, 4), round(high, 4)
    (-0.0063, 0.0463)
    """
    n = len(values)
    if n < FEW:
        return None
    from scipy import stats

    half = stats.t.ppf(1 - LEVEL / 2, n - 1) * np.sqrt((1 / n + 1 / (folds - 1)) * np.var(values, ddof=1))
    mean = np.mean(values)
    return float(mean - half), float(mean + half)


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
    # In place of scipy.stats.binomtest(...).proportion_ci: its import takes longer than to look at a finished study.
    z, share = NormalDist().inv_cdf(1 - LEVEL / 2), round(share * images) / images
    middle, scale = share + z**2 / (2 * images), 1 + z**2 / images
    half = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def better_than(share: float, right: int, images: int) -> float:
    """p of the one-sided binomial test: how often guesses that are right with this chance do as well.

    >>> round(better_than(0.5, 9, 10), 4)
    0.0107
    """
    from scipy.special import bdtrc

    return float(bdtrc(right - 1, images, share)) if right else 1.0


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


def smallest_gain(images: int) -> float:
    """The smallest difference that so many images can show between two networks, one pair of them, as a share.

    McNemar's exact test with all differing images on one side: p = 2 / 2^d is at most 0.05 from d = 6 on.

    >>> smallest_gain(50)
    0.12
    """
    return LEAST_DIFFERING / images


def too_few(per_class: int, images: int) -> str:
    """What a handful of photos allows to be claimed, in a sentence, and how to claim more; empty where it is enough.

    Args:
        per_class: Training images of the class that has fewest.
        images: Of validation.

    >>> print(too_few(12, 24))  # doctest: +NORMALIZE_WHITESPACE
    few photos: 12 training images of the smallest class (20 or more are safer), 24 of validation (50 or more); on 24
    validation images a gain below 25 points cannot be shown, whatever it is: --folds 5 validates on every image in turn
    >>> too_few(20, 50)
    ''
    """
    short = []
    if per_class < FEW_OF_A_CLASS:
        short.append(f"{per_class} training images of the smallest class ({FEW_OF_A_CLASS} or more are safer)")
    if images < FEW_TO_VALIDATE:
        short.append(f"{images} of validation ({FEW_TO_VALIDATE} or more)")
    if not short:
        return ""
    least = min(1.0, smallest_gain(images))
    return (
        f"few photos: {', '.join(short)}; on {images} validation images a gain below {100 * least:.0f} points "
        "cannot be shown, whatever it is: --folds 5 validates on every image in turn"
    )


def mcnemar(first: Any, second: Any) -> McNemar:
    """McNemar's exact test (1947) of two networks on the same images: are both equally often right?

    It compares these two networks, not the recipes they came from: that takes seeds.

    Args:
        first: Where the first network is right, one truth value an image.
        second: The same of the second.

    >>> mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    {'only_one': 6, 'only_other': 0, 'p': 0.03125}
    """
    from scipy import stats

    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} are not the same images")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    unequal = only_first + only_second
    p = float(stats.binomtest(only_first, unequal).pvalue) if unequal else 1.0
    return {"only_one": only_first, "only_other": only_second, "p": p}
