"""Draws curves on a terminal: eight dots a character, a colour a series, numbers at the edges."""

from itertools import pairwise
from typing import NamedTuple

from rich.text import Text

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of Unicode's braille patterns for each row and column of a character."""


class Curve(NamedTuple):
    """A series of points, in the order of x."""

    x: list[float]
    y: list[float]
    style: str


def plot(curves: list[Curve], width: int, height: int, among: list[Curve] | None = None) -> list[Text]:
    """One line of text a row: the curves between labels of the least and largest y, and x below.

    Args:
        curves: A later one lies over an earlier one; no points are needed.
        width: Columns, labels included.
        height: Rows, the line below included.
        among: Curves for all of which the axes are large enough; None: these alone.
    """
    points = [(x, y) for curve in among or curves for x, y in zip(curve.x, curve.y, strict=True)]
    if not points:
        return [Text("nothing yet", "dim")]
    left, right = (end(x for x, _ in points) for end in (min, max))
    bottom, top = (end(y for _, y in points) for end in (min, max))
    labels = [f"{top:.4g}", f"{bottom:.4g}"]
    margin = max(map(len, labels)) + 1
    columns, rows = max(width - margin, 8), max(height - 1, 2)
    bits = [[0] * columns for _ in range(rows)]
    styles = [[""] * columns for _ in range(rows)]
    for curve in curves:
        across = [_place(x, left, right, 2 * columns) for x in curve.x]
        down = [4 * rows - 1 - _place(y, bottom, top, 4 * rows) for y in curve.y]
        for column, row in _joined(list(zip(across, down, strict=True))):
            bits[row // 4][column // 2] |= DOTS[row % 4][column % 2]
            styles[row // 4][column // 2] = curve.style
    lines = []
    for number in range(rows):
        label = {0: labels[0], rows - 1: labels[1]}.get(number, "")
        line = Text().append(f"{label:>{margin - 1}} ", "dim")
        for bit, style in zip(bits[number], styles[number], strict=True):
            line.append(chr(0x2800 + bit) if bit else " ", style)
        lines.append(line)
    ends = f"{left:.4g}", f"{right:.4g}"
    lines.append(Text(" " * margin + ends[0] + ends[1].rjust(columns - len(ends[0])), "dim"))
    return lines


def _place(value: float, low: float, high: float, places: int) -> int:
    return round((value - low) / (high - low) * (places - 1)) if high > low else places // 2


def _joined(points: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """The dots of the straight lines from point to point."""
    dots = set(points)
    for (x, y), (next_x, next_y) in pairwise(points):
        steps = max(abs(next_x - x), abs(next_y - y))
        dots |= {(round(x + (next_x - x) * i / steps), round(y + (next_y - y) * i / steps)) for i in range(1, steps)}
    return dots
