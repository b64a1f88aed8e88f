"""Writes numbers as people read them, in ASCII for pipes and files. Shares and their differences are in [-1, 1]."""

import re
import statistics
from collections.abc import Sequence

from tutelage.measure.statistics import Gain
from tutelage.shares import percent as percent


def decimals(images: int) -> int:
    """How many decimals of a percentage a split of that many images can tell apart.

    >>> decimals(359), decimals(10_000)
    (1, 2)
    """
    return 1 if images < 2000 else 2


def points(difference: float, places: int = 1) -> str:
    """A difference of shares in percentage points, with its sign; what rounds to zero has none.

    >>> points(0.0471), points(-0.039, 2), points(-0.0001)
    ('+4.7', '-3.90', '0.0')
    """
    rounded = round(100 * difference, places)
    return f"{rounded:+.{places}f}" if rounded else f"{0:.{places}f}"


def interval(gain: Gain, places: int = 1) -> str:
    """The interval of a paired gain in points; empty where there are too few pairs.

    >>> from tutelage.measure.statistics import paired_gain
    >>> interval(paired_gain([0.76, 0.76, 0.81], [0.72, 0.73, 0.74]))
    '-0.5 to 9.8'
    """
    if gain["low"] is None or gain["high"] is None:
        return ""
    return f"{points(gain['low'], places).lstrip('+')} to {points(gain['high'], places).lstrip('+')}"


def spread(shares: Sequence[float], places: int = 1) -> str:
    """Mean and standard deviation (n - 1) of shares; of one share alone the share.

    >>> spread([0.70, 0.72, 0.74]), spread([0.7])
    ('72.0 +- 2.0 %', '70.0 %')
    """
    mean = statistics.mean(shares)
    if len(shares) < 2:
        return percent(mean, places)
    return f"{100 * mean:.{places}f} +- {100 * statistics.stdev(shares):.{places}f} %"


def count(number: float | int) -> str:
    """A count, short from a million on.

    >>> count(1230), count(853_018), count(25_557_032)
    ('1,230', '853,018', '25.6 M')
    """
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}"


def share_of(part: int, whole: int) -> str:
    """A part of a whole in percent, with two digits.

    >>> share_of(25_488, 1_497_728), share_of(3, 2)
    ('1.7 %', '150 %')
    """
    ratio = 100 * part / whole
    return f"{ratio:.0f} %" if ratio >= 9.95 else f"{ratio:#.2g} %"


def typeset(text: str) -> str:
    """The same with real plus-minus and minus signs and numbers that stay with their units, for paper and screen.

    >>> ascii(typeset("70.0 +- 2.0 %, -3.9, resnet-18"))
    "'70.0 \\\\xb1 2.0\\\\xa0%, \\\\u22123.9, resnet-18'"
    """
    text = text.replace("+-", "\N{PLUS-MINUS SIGN}").replace(" %", "\N{NO-BREAK SPACE}%")
    text = text.replace("n = ", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    return re.sub(r"(?<![\w-])-(?=\d)", "\N{MINUS SIGN}", text)
