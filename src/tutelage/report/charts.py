"""Draws the charts of the report: each is a pure function from rows of numbers to an SVG."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tutelage.report import text
from tutelage.report.results import Split
from tutelage.report.summary import ClassColumn, ClassRow, CurvePoint, MethodRow
from tutelage.report.theme import TEACHER, Series, draw

WIDE, NARROW, HALF = 920, 330, 370
"""Pixels: a desk, a phone, and half a desk."""
WORDS = alt.Description("words:N")
"""What is said of a mark. Channels are objects: for each that is text altair walks through its whole schema."""


def gains(rows: list[MethodRow], styles: list[Series], places: dict[Split, int], width: int) -> Markup:
    """The paired gain of every method, test and val, with interval and single seeds."""
    order = [f"{row.label}, {split}" for row in rows[1:] for split in ("test", "val")]
    axis = alt.Axis(labelColor="var(--ink)", labelFontSize=13, labelLimit=130 if width == NARROW else 260)
    layers: list[Any] = [
        chart([{"x": 0}]).mark_rule(color="var(--soft)", strokeWidth=1.5, aria=False).encode(x=alt.X("x:Q"))
    ]
    for row, style in zip(rows[1:], styles[1:], strict=True):
        means, seeds = _gains_of(row, rows[0], places)
        y = alt.Y("y:N", sort=order, title=None, axis=axis)
        x = alt.X("mean:Q", title="gain over the baseline (points)", axis=alt.Axis(tickCount=6))
        ticks = chart(seeds, style, "seeds").mark_tick(color=style.color, thickness=2, height=16, opacity=0.45)
        layers.append(ticks.encode(x=x, y=y, description=WORDS))
        known = [mean for mean in means if mean["low"] is not None]
        bars = chart(known, style, "interval").mark_rule(color=style.color, strokeWidth=3)
        layers.append(bars.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y, description=WORDS))
        for split, fill in (("test", style.color), ("val", "var(--paper)")):
            of_split = [mean for mean in means if mean["split"] == split]
            point = chart(of_split, style, split).mark_point(
                shape=style.shape, size=130, fill=fill, stroke=style.color, strokeWidth=2.5, opacity=1
            )
            layers.append(point.encode(x=x, y=y, description=WORDS))
    drawn = alt.layer(*layers).properties(width=width, height=alt.Step(42), autosize=fit(width))
    return draw(drawn, "Paired gain of every method over the baseline in points, with its 95 % interval")


def _gains_of(
    row: MethodRow, baseline: MethodRow, places: dict[Split, int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is drawn of a row's gain: its mean with the interval, and the single seeds, on both splits."""
    means, seeds = [], []
    for split, gain in (row.gain or {}).items():
        y = f"{row.label}, {split}"
        within = f", 95 % interval {text.interval(gain, places[split])}" if gain["low"] is not None else ""
        words = text.typeset(f"{y}: {text.points(gain['mean'], places[split])} points{within}")
        low, high = (None if end is None else 100 * end for end in (gain["low"], gain["high"]))
        means.append({"y": y, "split": split, "words": words, "mean": 100 * gain["mean"], "low": low, "high": high})
        for mine, alone in zip(row.top1[split], baseline.top1[split], strict=True):
            words = f"{y}, one seed: {text.points(mine - alone, places[split])} points"
            seeds.append({"y": y, "mean": 100 * (mine - alone), "words": text.typeset(words)})
    return means, seeds


def learning(points: list[list[CurvePoint]], styles: list[Series], teacher: float | None, width: int) -> Markup:
    """Accuracy on val by epoch: mean and range over the seeds; the teacher's as a line."""
    layers: list[Any] = []
    for of_row, style in zip(points, styles, strict=True):
        values = [
            {"epoch": point.epoch, "mean": 100 * point.mean, "low": 100 * point.low, "high": 100 * point.high}
            | {"words": f"{style.label}, epoch {point.epoch:g}: {text.percent(point.mean)}"}
            for point in of_row
        ]
        y = alt.Y("mean:Q", title="top-1 on val (%)", scale=alt.Scale(zero=False))
        layers += _band(values, style, y, opacity=0.16 if len(styles) < 4 else 0.09)
    if teacher is not None:
        value = [{"mean": 100 * teacher, "words": f"teacher: {text.percent(teacher)}"}]
        rule = chart(value, TEACHER, "line").mark_rule(color=TEACHER.color, strokeDash=TEACHER.dash, strokeWidth=2)
        layers.append(rule.encode(y=alt.Y("mean:Q"), description=WORDS))
    height = 260 if width == NARROW else 340
    drawn = alt.layer(*layers).properties(width=width, height=height, autosize=fit(width))
    return draw(drawn, "Accuracy on the validation split by epoch, one line a method, with the range over the seeds")


def loss(points: list[CurvePoint], style: Series) -> Markup:
    """The training loss of one row by epoch: mean and range over the seeds."""
    values = [
        point._asdict() | {"words": f"{style.label}, epoch {point.epoch:g}: {point.mean:.4g}"} for point in points
    ]
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    drawn = alt.layer(*_band(values, style, y)).properties(width=NARROW, height=190, autosize=fit(NARROW))
    return draw(drawn, f"Training loss of {style.label} by epoch")


class Point(NamedTuple):
    """What a network costs and reaches."""

    style: Series
    cost: float
    top1: float
    deviation: float
    """Over the seeds; 0 of style network."""


def pareto(
    points: list[Point], cost: str, in_words: Callable[[float], str], split: Split, limit: float | int | None = None
) -> Markup:
    """Accuracy against a cost on a logarithmic axis; a line joins what nothing else beats in both.

    Args:
        points: Teacher, baseline and students.
        cost: The axis's title.
        in_words: A cost in words.
        split: That the accuracy was measured on.
        limit: A cost that must not be exceeded, drawn as a line; None: there is none.
    """
    costs = [point.cost for point in points] + ([] if limit is None else [limit])
    domain = [min(costs) / 2, max(costs) * 2]
    axis = alt.Axis(format="~s" if min(costs) >= 1 else "~g", values=ticks(*domain), title=cost)
    x = alt.X("cost:Q", scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)
    ends = [point.top1 + sign * point.deviation for point in points for sign in (-1, 1)]
    y = alt.Y("top1:Q", title=f"top-1 on {split} (%)", scale=_shares(ends))
    front = [{"cost": point.cost, "top1": 100 * point.top1} for point in unbeaten(points)]
    line = chart(front).mark_line(color="var(--soft)", strokeDash=[3, 3], strokeWidth=1.5, aria=False)
    layers: list[Any] = [line.encode(x=x, y=y)]
    if limit is not None:
        limit_line = chart([{"cost": limit, "words": f"there are {in_words(limit)}"}])
        layers.append(limit_line.mark_rule(color="var(--ink)", strokeWidth=2).encode(x=x, description=WORDS))
    for style, paid, top1, deviation in points:
        words = f"{style.label}: {text.percent(top1)} at {in_words(paid)}"
        value = {"cost": paid, "top1": 100 * top1, "words": words}
        value |= {"low": 100 * (top1 - deviation), "high": 100 * (top1 + deviation)}
        bar = chart([value], style, "deviation").mark_rule(color=style.color, strokeWidth=2, opacity=0.6, aria=False)
        layers.append(bar.encode(x=x, y=alt.Y("low:Q", title=None), y2=alt.Y2("high:Q")))
        mark = chart([value], style, "point").mark_point(
            shape=style.shape, filled=True, size=150, color=style.color, opacity=0.9
        )
        layers.append(mark.encode(x=x, y=y, description=WORDS))
    drawn = alt.layer(*layers).properties(width=HALF, height=300, autosize=fit(HALF))
    return draw(drawn, f"Accuracy on {split} against {cost}, for teacher, baseline and students")


def ticks(low: float | int, high: float | int) -> list[float]:
    """1, 2 and 5 times powers of ten between two positive numbers.

    >>> ticks(0.8, 30)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**n for n in powers for step in (1, 2, 5) if low <= step * 10.0**n <= high]


def unbeaten(points: list[Point]) -> list[Point]:
    """Those that no other beats in cost and accuracy (the Pareto front), cheapest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front


class Sureness(NamedTuple):
    """How often a network is right and how sure it is, as shares."""

    style: Series
    top1: float
    confidence: float


def calibration(networks: list[Sureness]) -> Markup:
    """Accuracy beside mean confidence, one line a network; equal is right."""
    y = alt.Y(
        "label:N",
        sort=[network.style.label for network in networks],
        title=None,
        axis=alt.Axis(labelColor="var(--ink)", labelFontSize=13),
    )
    scale = _shares([share for network in networks for share in (network.top1, network.confidence)])
    x = alt.X("value:Q", title="share of images (%)", scale=scale, axis=alt.Axis(tickCount=6))
    layers: list[Any] = []
    for style, top1, confidence in networks:
        gap = [{"label": style.label, "value": 100 * top1, "end": 100 * confidence}]
        bar = chart(gap, style, "gap").mark_rule(color=style.color, strokeWidth=3, opacity=0.5, aria=False)
        layers.append(bar.encode(x=x, x2=alt.X2("end:Q"), y=y))
        marks = (("top1", "accuracy", top1, style.color), ("confidence", "mean confidence", confidence, "var(--paper)"))
        for part, word, share, fill in marks:
            words = f"{style.label}: {word} {text.percent(share)}"
            value = [{"label": style.label, "value": 100 * share, "words": words}]
            point = chart(value, style, part).mark_point(
                shape=style.shape, size=130, fill=fill, stroke=style.color, strokeWidth=2.5, opacity=1
            )
            layers.append(point.encode(x=x, y=y, description=WORDS))
    drawn = alt.layer(*layers).properties(width=HALF, height=alt.Step(44), autosize=fit(HALF))
    return draw(drawn, "Accuracy (filled) and mean confidence (hollow) of teacher, baseline and students")


def by_class(classes: list[ClassRow], shown: dict[ClassColumn, Series], width: int) -> Markup:
    """Accuracy by class: one mark a series, a line from the baseline to the student."""
    limit = 90 if width == NARROW else 200
    axis = alt.Axis(labelColor="var(--ink)", labelFontSize=13, labelLimit=limit, grid=True, gridDash=[1, 3])
    reached = [share for row in classes for column in shown if (share := row[column]) is not None]
    y = alt.Y("name:N", sort=[row["name"] for row in classes], title=None, axis=axis)
    x = alt.X("value:Q", title="accuracy on test (%)", scale=_shares(reached), axis=alt.Axis(tickCount=8))
    layers: list[Any] = []
    if "student" in shown:
        pairs = [
            {"name": row["name"], "value": 100 * row["baseline"], "end": 100 * row["student"]}
            for row in classes
            if row["baseline"] is not None and row["student"] is not None
        ]
        bar = chart(pairs, shown["student"], "change").mark_rule(
            color=shown["student"].color, strokeWidth=6, opacity=0.25, aria=False
        )
        layers.append(bar.encode(x=x, x2=alt.X2("end:Q"), y=y))
    for column, style in shown.items():
        values = [
            {"name": row["name"], "value": 100 * share}
            | {"words": f"{row['name']}, {style.label}: {text.percent(share)}"}
            for row in classes
            if (share := row[column]) is not None
        ]
        point = chart(values, style, "point").mark_point(
            shape=style.shape, filled=column != "baseline", size=90, color=style.color, strokeWidth=2, opacity=0.95
        )
        layers.append(point.encode(x=x, y=y, description=WORDS))
    drawn = alt.layer(*layers).properties(width=width, height=alt.Step(26), autosize=fit(width))
    return draw(drawn, "Accuracy on the test split by class, for baseline, student and teacher")


def chart(values: list[dict[str, Any]], style: Series | None = None, part: str = "") -> Any:
    """A chart whose marks get the class "s1_part_marks", by which the page shows and hides a series.

    Typed Any: altair's decorated methods are beyond type checkers.
    """
    plain: Any = alt.Chart(alt.Data(values=values))
    return plain.properties(name=f"{style.key}_{part}") if style else plain


def _band(values: list[dict[str, Any]], style: Series, y: alt.Y, opacity: float = 0.16) -> list[Any]:
    first, last = (pick(value["epoch"] for value in values) for pick in (min, max))
    # Vega sets half epochs between few ones, and "d" would print them as whole.
    whole: dict[str, Any] = {"values": list(range(math.ceil(first), math.floor(last) + 1))} if last - first <= 6 else {}
    x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False, tickCount=6, format="d", **whole))
    band = chart(values, style, "band").mark_area(color=style.color, opacity=opacity, aria=False)
    line = chart(values, style, "line").mark_line(color=style.color, strokeWidth=2.2, strokeDash=style.dash, aria=False)
    # Wider than what is seen, so that a finger finds them.
    touch = chart(values, style, "touch").mark_point(size=220, filled=True, color=style.color, opacity=0)
    return [
        band.encode(x=x, y=alt.Y("low:Q", title=None), y2=alt.Y2("high:Q")),
        line.encode(x=x, y=y),
        touch.encode(x=x, y=y, description=WORDS),
    ]


def _shares(values: list[float]) -> alt.Scale:
    """A scale in percent around some shares with a little room, never far beyond 0 and 100."""
    low, high = 100 * min(values), 100 * max(values)
    room = max(1.0, 0.08 * (high - low))
    return alt.Scale(domain=[max(low - room, -1), min(high + room, 101)], nice=False, zero=False)


def fit(width: int) -> alt.AutoSizeParams:
    """The whole drawing, axes included, is that wide."""
    return alt.AutoSizeParams(type="fit-x", contains="padding")
