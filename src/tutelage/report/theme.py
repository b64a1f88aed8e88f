"""Sets how the charts of the report look, and turns those of altair into SVG inside the page.

Colours are CSS variables of style.css, so that one drawing serves light, dark and paper. Series differ in colour, shape
and dash, so that none of them is needed to tell two apart.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup, escape

SHAPES = ("circle", "square", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left", "stroke")
DASHES = ([5, 4], [1, 0], [8, 3, 2, 3], [2, 2], [12, 3], [6, 2, 2, 2, 2, 2], [3, 6], [10, 5])

FONT = "Helvetica, Arial, sans-serif"
"""To measure texts with; the page draws them in its own."""
TEXT = {"labelFont": FONT, "titleFont": FONT, "labelColor": "var(--soft)", "titleColor": "var(--soft)"}
AXIS = TEXT | {
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelLimit": 220,
    "labelPadding": 6,
    "domain": False,
    "ticks": False,
    "gridColor": "var(--grid)",
}
CONFIG: dict[str, Any] = {"axis": AXIS, "view": {"stroke": None}, "background": "transparent", "text": {"font": FONT}}


@dataclass(frozen=True)
class Series:
    """A row of the study as it is drawn everywhere."""

    key: str
    """Its CSS class: a figure's legend hides marks by it."""
    label: str
    color: str
    shape: str
    dash: list[int]

    @cached_property
    def swatch(self) -> Markup:
        """A small drawing for legends."""
        dots = {"values": [{}]}
        line: Any = alt.Chart(dots).mark_rule(color=self.color, strokeWidth=2, strokeDash=self.dash)
        point: Any = alt.Chart(dots).mark_point(shape=self.shape, filled=True, size=70, color=self.color, opacity=1)
        layers = [line.encode(x=alt.value(0), x2=alt.value(34), y=alt.value(8))]
        layers += [point.encode(x=alt.value(17), y=alt.value(8))]
        return _svg(alt.layer(*layers).properties(width=34, height=16, padding=0), 'aria-hidden="true"')


def series(labels: list[str]) -> list[Series]:
    """One for each row; from the ninth on colours and shapes come again."""
    numbers = [i % 8 for i in range(len(labels))]
    return [
        Series(f"s{i}", label, f"var(--s{n})", SHAPES[n], DASHES[n])
        for i, (n, label) in enumerate(zip(numbers, labels, strict=True))
    ]


TEACHER = Series("teacher", "teacher", "var(--teacher)", "triangle-up", [2, 3])


def draw(chart: Any, about: str) -> Markup:
    """The chart as an SVG element; `about` says to those who do not see it what it shows."""
    return _svg(chart, f'role="img" aria-label="{escape(about)}"')


def _svg(chart: Any, attributes: str) -> Markup:
    # Altair's check of every chart against its schema would take longer than drawing it.
    svg = vl_convert.vegalite_to_svg(chart.configure(**CONFIG).to_dict(validate=False))
    # Vega escapes what comes from data, both in texts and in attributes.
    return Markup(svg.replace("<svg ", f"<svg {attributes} ", 1))
