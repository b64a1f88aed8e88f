"""What may be claimed from paired seeds; the arithmetic is scipy's."""

from typing import Any

import numpy as np


def paired_gain(method: list[float], baseline: list[float], confidence: float = 0.95) -> dict[str, Any]:
    """The mean difference of paired runs, with a two-sided t-interval where there are at least three pairs.

    Args:
        method: One number a seed.
        baseline: The same seeds in the same order.
        confidence: Of the interval.

    Returns:
        `mean`, `n`, `low`, `high`, `p` (two-sided t-test of no difference); the last three are None below three pairs.

    >>> gain = paired_gain([0.50, 0.52, 0.54], [0.49, 0.50, 0.51])
    >>> [round(gain[name], 4) for name in ("mean", "low", "high", "p")]
    [0.02, -0.0048, 0.0448, 0.0742]
    """
    differences = np.subtract(method, baseline)
    gain: dict[str, Any] = {"mean": float(differences.mean()), "n": len(differences)}
    if len(differences) < 3:
        return gain | {"low": None, "high": None, "p": None}
    if np.ptp(differences) == 0:
        return gain | {"low": gain["mean"], "high": gain["mean"], "p": float(gain["mean"] == 0)}
    from scipy import stats

    test = stats.ttest_1samp(differences, 0.0)
    low, high = test.confidence_interval(confidence)
    return gain | {"low": float(low), "high": float(high), "p": float(test.pvalue)}
