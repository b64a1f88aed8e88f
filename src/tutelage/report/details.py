"""Draws the closer charts of the report: probabilities, confusions between classes, the settings of a search."""

from typing import Any

import altair as alt
from markupsafe import Markup

from tutelage.measure.findings import Bin
from tutelage.report import text
from tutelage.report.charts import HALF, NARROW, WORDS, chart, fit, ticks
from tutelage.report.results import TriedOut
from tutelage.report.theme import TEACHER, Series, draw

FEWEST = 20
"""Images in a bin of a reliability curve that is drawn: fewer say nothing."""
MIDDLE = 620
"""Pixels of a matrix on a desk."""


def reliability(curves: list[tuple[Series, list[Bin]]]) -> Markup:
    """Accuracy by confidence, one line a series; on the diagonal probabilities are chances."""
    x = alt.X(
        "x:Q", title="mean confidence (%)", scale=alt.Scale(domain=[0, 100], nice=False), axis=alt.Axis(tickCount=5)
    )
    y = alt.Y("y:Q", title="accuracy (%)", scale=alt.Scale(domain=[0, 100], nice=False), axis=alt.Axis(tickCount=5))
    diagonal = chart([{"x": 0, "y": 0}, {"x": 100, "y": 100}])
    layers: list[Any] = [diagonal.mark_line(color="var(--soft)", strokeDash=[2, 4], aria=False).encode(x=x, y=y)]
    for style, bins in curves:
        values = [
            {
                "x": 100 * confidence,
                "y": 100 * accuracy,
                "words": f"{style.label}: confidence {text.percent(confidence)}, accuracy {text.percent(accuracy)}, "
                f"{of_bin['images']:,} answers",
            }
            for of_bin in bins
            if (confidence := of_bin["confidence"]) is not None
            and (accuracy := of_bin["accuracy"]) is not None
            and of_bin["images"] >= FEWEST
        ]
        line = chart(values, style, "line").mark_line(
            color=style.color, strokeWidth=2, strokeDash=style.dash, aria=False
        )
        point = chart(values, style, "point").mark_point(
            shape=style.shape, filled=True, size=70, color=style.color, opacity=0.95
        )
        layers += [line.encode(x=x, y=y), point.encode(x=x, y=y, description=WORDS)]
    drawn = alt.layer(*layers).properties(width=HALF, height=340, autosize=fit(HALF))
    return draw(drawn, "Reliability: accuracy by confidence for teacher, baseline and students; the diagonal is right")


def confusion(matrix: list[list[float]], classes: list[str], width: int) -> Markup:
    """How many images more or fewer get an answer than from the baseline, by true class and answer."""
    most = max((abs(value) for row in matrix for value in row), default=0.0) or 1.0
    values = []
    for true, row in zip(classes, matrix, strict=True):
        for answer, change in zip(classes, row, strict=True):
            better = (change > 0) == (true == answer)
            values.append(
                {
                    "true": true,
                    "answer": answer,
                    "shown": text.typeset(f"{change:+.0f}") if round(change) else "",
                    "opacity": 0.75 * abs(change) / most,
                    "color": "var(--good)" if better else "var(--bad)",
                    "words": text.typeset(f"{true} taken for {answer}: {change:+.1f} images")
                    if true != answer
                    else text.typeset(f"{true} right: {change:+.1f} images"),
                }
            )
    small = width == NARROW
    limit = 60 if small else 120
    axis: Any = {"labelColor": "var(--ink)", "labelLimit": limit, "labelFontSize": 10 if small else 12, "grid": False}
    x = alt.X("answer:N", sort=classes, title="answer", axis=alt.Axis(orient="top", labelAngle=-60, **axis))
    y = alt.Y("true:N", sort=classes, title=None if small else "true class", axis=alt.Axis(**axis))
    cells = (
        chart(values)
        .mark_rect(stroke="var(--line)", strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("color:N", scale=None, legend=None),
            fillOpacity=alt.FillOpacity("opacity:Q", scale=None, legend=None),
            description=WORDS,
        )
    )
    numbers = chart(values).mark_text(fontSize=9 if small else 12, color="var(--ink)", aria=False)
    layered = alt.layer(cells, numbers.encode(x=x, y=y, text=alt.Text("shown:N")))
    side = min(30, 600 // len(classes)) if not small else 20
    drawn = layered.properties(width=width, height=alt.Step(side), autosize=fit(width))
    return draw(drawn, "Change of the number of images by true class and answer, student against baseline")


def tuning(trials: list[TriedOut], fields: tuple[str, str], logarithmic: list[bool], width: int) -> Markup:
    """Accuracy on val over two fields of a method: a square a trial, a cross where it was ended early."""
    reached = [(trial, trial["val"]) for trial in trials if trial["val"] is not None]
    values = [_trial(trial, fields) | {"val": 100 * val} for trial, val in reached]
    ended = [_trial(trial, fields) for trial in trials if trial["val"] is None]
    x, y = (
        _setting(channel, name, field, [trial["values"][field] for trial in trials], log=log)
        for channel, name, field, log in zip((alt.X, alt.Y), "xy", fields, logarithmic, strict=True)
    )
    color = alt.Color(
        "val:Q",
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(
            title="val top-1 (%)",
            orient="bottom",
            gradientLength=220,
            labelColor="var(--soft)",
            titleColor="var(--soft)",
            titleFontWeight="normal",
        ),
    )
    crosses = chart(ended).mark_point(shape="cross", angle=45, size=60, color="var(--soft)", filled=True)
    squares = chart(values).mark_point(
        shape="square", size=260, filled=True, opacity=1, stroke="var(--ink)", strokeWidth=0.8
    )
    best = chart(sorted(values, key=lambda value: -value["val"])[:1]).mark_point(
        shape="circle", size=900, filled=False, stroke="var(--ink)", strokeWidth=2.5, aria=False
    )
    layers = [
        crosses.encode(x=x, y=y, description=WORDS),
        squares.encode(x=x, y=y, color=color, description=WORDS),
        best.encode(x=x, y=y),
    ]
    drawn = alt.layer(*layers).properties(width=width, height=300, autosize=fit(width))
    return draw(drawn, f"Accuracy on val by {fields[0]} and {fields[1]}, one mark a trial; the best is ringed")


def _setting(channel: Any, name: str, field: str, values: list[float], *, log: bool) -> Any:
    """The axis of a method's number."""
    if not log:
        scale = alt.Scale(zero=False, padding=18)
        return channel(f"{name}:Q", title=field, scale=scale, axis=alt.Axis(tickCount=5, format="~g"))
    domain = [min(values) / 1.3, max(values) * 1.3]
    axis = alt.Axis(values=ticks(*domain), format="~g")
    return channel(f"{name}:Q", title=field, scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)


def _trial(trial: TriedOut, fields: tuple[str, str]) -> dict[str, Any]:
    values = ", ".join(f"{name} {value:.3g}" for name, value in trial["values"].items())
    reached = text.percent(trial["val"], 2) if trial["val"] is not None else trial["state"]
    x, y = (trial["values"][field] for field in fields)
    return {"x": x, "y": y, "words": f"trial {trial['number'] + 1}: {values}: {reached}"}


def with_teacher(curves: list[tuple[Series, list[Bin]]], bins: list[Bin] | None) -> list[tuple[Series, list[Bin]]]:
    """The teacher's curve before those of the rows, where it was measured."""
    return curves if bins is None else [(TEACHER, bins), *curves]
