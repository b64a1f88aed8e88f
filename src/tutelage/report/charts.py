"""Draws the charts of the report: each is a pure function from rows of numbers to an SVG."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tutelage.report import text
from tutelage.report.theme import TEACHER, Series, draw

WIDE, NARROW, HALF = 920, 330, 370
"""Pixels: a desk, a phone, and half a desk."""


def gains(rows: list[dict[str, Any]], series: list[Series], places: dict[str, int], width: int) -> Markup:
    """The paired gain of every method, test and val, with interval and single seeds."""
    order = [f"{row['label']}, {split}" for row in rows[1:] for split in ("test", "val")]
    axis = alt.Axis(labelColor="var(--ink)", labelFontSize=13, labelLimit=130 if width == NARROW else 260)
    layers: list[Any] = [chart([{"x": 0}]).mark_rule(color="var(--soft)", strokeWidth=1.5, aria=False).encode(x="x:Q")]
    for row, one in zip(rows[1:], series[1:], strict=True):
        means, seeds = [], []
        for split in ("test", "val"):
            gain, y = row["gain"][split], f"{row['label']}, {split}"
            within = f", 95 % interval {text.interval(gain, places[split])}" if gain["low"] is not None else ""
            told = f"{y}: {text.points(gain['mean'], places[split])} points{within}"
            means.append({"y": y, "split": split, "told": text.typeset(told)} | _in_points(gain))
            pairs = zip(row["top1"][split], rows[0]["top1"][split], strict=True)
            for mine, alone in pairs:
                told = f"{y}, one seed: {text.points(mine - alone, places[split])} points"
                seeds.append({"y": y, "mean": 100 * (mine - alone), "told": text.typeset(told)})
        y = alt.Y("y:N", sort=order, title=None, axis=axis)
        x = alt.X("mean:Q", title="gain over the baseline (points)", axis=alt.Axis(tickCount=6))
        ticks = chart(seeds, one, "seeds").mark_tick(color=one.color, thickness=2, height=16, opacity=0.45)
        layers.append(ticks.encode(x=x, y=y, description="told:N"))
        known = [mean for mean in means if mean["low"] is not None]
        bars = chart(known, one, "interval").mark_rule(color=one.color, strokeWidth=3)
        layers.append(bars.encode(x="low:Q", x2="high:Q", y=y, description="told:N"))
        for split, fill in (("test", one.color), ("val", "var(--paper)")):
            of_split = [mean for mean in means if mean["split"] == split]
            point = chart(of_split, one, split).mark_point(
                shape=one.shape, size=130, fill=fill, stroke=one.color, strokeWidth=2.5, opacity=1
            )
            layers.append(point.encode(x=x, y=y, description="told:N"))
    drawn = alt.layer(*layers).properties(width=width, height=alt.Step(42), autosize=fit(width))
    return draw(drawn, "Paired gain of every method over the baseline in points, with its 95 % interval")


def learning(points: list[list[dict[str, float]]], series: list[Series], teacher: float | None, width: int) -> Markup:
    """Accuracy on val by epoch: mean and range over the seeds; the teacher's as a line."""
    layers: list[Any] = []
    for of_row, one in zip(points, series, strict=True):
        values = [
            {name: 100 * point[name] for name in ("mean", "low", "high")}
            | {"epoch": point["epoch"], "told": f"{one.label}, epoch {point['epoch']:g}: {text.percent(point['mean'])}"}
            for point in of_row
        ]
        y = alt.Y("mean:Q", title="top-1 on val (%)", scale=alt.Scale(zero=False))
        layers += _band(values, one, y, opacity=0.16 if len(series) < 4 else 0.09)
    if teacher is not None:
        value = [{"mean": 100 * teacher, "told": f"teacher: {text.percent(teacher)}"}]
        rule = chart(value, TEACHER, "line").mark_rule(color=TEACHER.color, strokeDash=TEACHER.dash, strokeWidth=2)
        layers.append(rule.encode(y="mean:Q", description="told:N"))
    height = 260 if width == NARROW else 340
    drawn = alt.layer(*layers).properties(width=width, height=height, autosize=fit(width))
    return draw(drawn, "Accuracy on the validation split by epoch, one line a method, with the range over the seeds")


def loss(points: list[dict[str, float]], one: Series) -> Markup:
    """The training loss of one row by epoch: mean and range over the seeds."""
    values = [point | {"told": f"{one.label}, epoch {point['epoch']:g}: {point['mean']:.4g}"} for point in points]
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    drawn = alt.layer(*_band(values, one, y)).properties(width=NARROW, height=190, autosize=fit(NARROW))
    return draw(drawn, f"Training loss of {one.label} by epoch")


class Point(NamedTuple):
    """What a network costs and reaches."""

    one: Series
    cost: float
    top1: float
    deviation: float
    """Over the seeds; 0 of one network."""


def pareto(points: list[Point], cost: str, said: Callable[[float], str], split: str) -> Markup:
    """Accuracy against a cost on a logarithmic axis; a line joins what nothing else beats in both.

    Args:
        points: Teacher, baseline and students.
        cost: The axis's title.
        said: A cost in words.
        split: That the accuracy was measured on.
    """
    costs = [point.cost for point in points]
    domain = [min(costs) / 2, max(costs) * 2]
    axis = alt.Axis(format="~s" if min(costs) >= 1 else "~g", values=ticks(*domain), title=cost)
    x = alt.X("cost:Q", scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)
    ends = [point.top1 + sign * point.deviation for point in points for sign in (-1, 1)]
    y = alt.Y("top1:Q", title=f"top-1 on {split} (%)", scale=_shares(ends))
    front = [{"cost": point.cost, "top1": 100 * point.top1} for point in unbeaten(points)]
    line = chart(front).mark_line(color="var(--soft)", strokeDash=[3, 3], strokeWidth=1.5, aria=False)
    layers: list[Any] = [line.encode(x=x, y=y)]
    for one, of_one, top1, deviation in points:
        told = f"{one.label}: {text.percent(top1)} at {said(of_one)}"
        value = {"cost": of_one, "top1": 100 * top1, "told": told}
        value |= {"low": 100 * (top1 - deviation), "high": 100 * (top1 + deviation)}
        bar = chart([value], one, "deviation").mark_rule(color=one.color, strokeWidth=2, opacity=0.6, aria=False)
        layers.append(bar.encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q"))
        mark = chart([value], one, "point").mark_point(
            shape=one.shape, filled=True, size=150, color=one.color, opacity=0.9
        )
        layers.append(mark.encode(x=x, y=y, description="told:N"))
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


def calibration(table: list[dict[str, Any]], series: list[Series]) -> Markup:
    """Accuracy beside the mean confidence of every row of the calibration table; equal is right."""
    order, ends = [row["label"] for row in table], ("top1", "confidence")
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelColor="var(--ink)", labelFontSize=13))
    scale = _shares([row[name] for row in table for name in ends])
    x = alt.X("value:Q", title="share of images (%)", scale=scale, axis=alt.Axis(tickCount=6))
    layers: list[Any] = []
    for row, one in zip(table, series, strict=True):
        shared = {"label": row["label"]}
        gap = [shared | {"value": 100 * row["top1"], "end": 100 * row["confidence"]}]
        bar = chart(gap, one, "gap").mark_rule(color=one.color, strokeWidth=3, opacity=0.5, aria=False)
        layers.append(bar.encode(x=x, x2="end:Q", y=y))
        for name, fill in (("top1", one.color), ("confidence", "var(--paper)")):
            word = {"top1": "accuracy", "confidence": "mean confidence"}[name]
            told = f"{row['label']}: {word} {text.percent(row[name])}"
            point = chart([shared | {"value": 100 * row[name], "told": told}], one, name).mark_point(
                shape=one.shape, size=130, fill=fill, stroke=one.color, strokeWidth=2.5, opacity=1
            )
            layers.append(point.encode(x=x, y=y, description="told:N"))
    drawn = alt.layer(*layers).properties(width=HALF, height=alt.Step(44), autosize=fit(HALF))
    return draw(drawn, "Accuracy (filled) and mean confidence (hollow) of teacher, baseline and students")


def by_class(classes: list[dict[str, Any]], shown: dict[str, Series], width: int) -> Markup:
    """Accuracy by class: one mark a series, a line from the baseline to the student."""
    order = [one["name"] for one in classes]
    limit = 90 if width == NARROW else 200
    axis = alt.Axis(labelColor="var(--ink)", labelFontSize=13, labelLimit=limit, grid=True, gridDash=[1, 3])
    reached = [one[column] for one in classes for column in shown if one[column] is not None]
    y = alt.Y("name:N", sort=order, title=None, axis=axis)
    x = alt.X("value:Q", title="accuracy on test (%)", scale=_shares(reached), axis=alt.Axis(tickCount=8))
    layers: list[Any] = []
    if "student" in shown:
        pairs = [
            {"name": one["name"], "value": 100 * one["baseline"], "end": 100 * one["student"]}
            for one in classes
            if one["baseline"] is not None and one["student"] is not None
        ]
        bar = chart(pairs, shown["student"], "change").mark_rule(
            color=shown["student"].color, strokeWidth=6, opacity=0.25, aria=False
        )
        layers.append(bar.encode(x=x, x2="end:Q", y=y))
    for column, one in shown.items():
        values = [
            {
                "name": c["name"],
                "value": 100 * c[column],
                "told": f"{c['name']}, {one.label}: {text.percent(c[column])}",
            }
            for c in classes
            if c[column] is not None
        ]
        point = chart(values, one, "point").mark_point(
            shape=one.shape, filled=column != "baseline", size=90, color=one.color, strokeWidth=2, opacity=0.95
        )
        layers.append(point.encode(x=x, y=y, description="told:N"))
    drawn = alt.layer(*layers).properties(width=width, height=alt.Step(26), autosize=fit(width))
    return draw(drawn, "Accuracy on the test split by class, for baseline, student and teacher")


def chart(values: list[dict[str, Any]], one: Series | None = None, part: str = "") -> Any:
    """A chart whose marks get the class "s1_part_marks", by which the page shows and hides a series.

    Typed Any: altair's decorated methods are beyond type checkers.
    """
    plain: Any = alt.Chart(alt.Data(values=values))
    return plain.properties(name=f"{one.key}_{part}") if one else plain


def _band(values: list[dict[str, Any]], one: Series, y: alt.Y, opacity: float = 0.16) -> list[Any]:
    x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False, tickCount=6))
    band = chart(values, one, "band").mark_area(color=one.color, opacity=opacity, aria=False)
    line = chart(values, one, "line").mark_line(color=one.color, strokeWidth=2.2, strokeDash=one.dash, aria=False)
    # Wider than what is seen, so that a finger finds them.
    touch = chart(values, one, "touch").mark_point(size=220, filled=True, color=one.color, opacity=0)
    return [
        band.encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q"),
        line.encode(x=x, y=y),
        touch.encode(x=x, y=y, description="told:N"),
    ]


def _in_points(gain: dict[str, Any]) -> dict[str, float | None]:
    return {name: None if gain[name] is None else 100 * gain[name] for name in ("mean", "low", "high")}


def _shares(values: list[float]) -> alt.Scale:
    """A scale in percent around some shares with a little room, never far beyond 0 and 100."""
    low, high = 100 * min(values), 100 * max(values)
    room = max(1.0, 0.08 * (high - low))
    return alt.Scale(domain=[max(low - room, -1), min(high + room, 101)], nice=False, zero=False)


def fit(width: int) -> alt.AutoSizeParams:
    """The whole drawing, axes included, is that wide."""
    return alt.AutoSizeParams(type="fit-x", contains="padding")
