"""What the charts of the report draw, where it can be counted."""

import re

import pytest

from tutelage.report.charts import Point, loss, pareto, ticks, unbeaten
from tutelage.report.summary import CurvePoint
from tutelage.report.theme import TEACHER, series

BASELINE, KD = series(["baseline", "kd"])


def points(*pairs):
    return [Point(KD, cost, top1, 0.0) for cost, top1 in pairs]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(1, 0.5), (2, 0.6), (3, 0.55)], [(1, 0.5), (2, 0.6)]),
        ([(1, 0.5), (1, 0.7)], [(1, 0.7)]),
        ([(2, 0.5), (1, 0.5)], [(1, 0.5)]),
        ([(5, 0.1)], [(5, 0.1)]),
    ],
    ids=["dearer and worse", "same cost", "same accuracy", "alone"],
)
def test_what_nothing_beats(pairs, expected):
    assert [(point.cost, point.top1) for point in unbeaten(points(*pairs))] == expected


@pytest.mark.parametrize(("low", "high"), [(0.003, 0.05), (1, 1000), (7e5, 3e6)])
def test_ticks_are_round_and_within(low, high):
    found = ticks(low, high)
    assert found == sorted(found)
    assert all(low <= tick <= high for tick in found)
    assert all(f"{tick:e}"[0] in "125" and float(f"{tick:.0e}") == pytest.approx(tick) for tick in found)
    assert len(found) >= 2


def test_every_network_is_drawn_with_its_numbers():
    drawn = pareto(
        [Point(TEACHER, 400e3, 0.94, 0.0), Point(BASELINE, 4e3, 0.72, 0.02), Point(KD, 4e3, 0.77, 0.01)],
        "parameters",
        lambda cost: f"{cost:,.0f} parameters",
        "test",
    )
    for words in ("teacher: 94.0", "baseline: 72.0", "kd: 77.0", "at 4,000 parameters", "at 400,000 parameters"):
        assert words in drawn, words


def test_what_there_is_of_a_cost_is_a_line_with_its_number():
    points = [Point(BASELINE, 130e3, 0.72, 0.02)]
    drawn = pareto(points, "bytes of flash", lambda cost: f"{cost:,.0f} bytes", "test", 262_144)
    assert "there are 262,144 bytes" in drawn
    assert "there are" not in pareto(points, "bytes of flash", lambda cost: f"{cost:,.0f} bytes", "test")


@pytest.mark.parametrize("epochs", [[1], [1, 2], [1, 2, 3], [2, 4, 7], [10, 40, 60]])
def test_no_epoch_stands_twice_below_a_curve(epochs):
    drawn = str(loss([CurvePoint(float(epoch), 1 / epoch, 0.5 / epoch, 2 / epoch) for epoch in epochs], KD))
    below = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.partition(">epoch<")[0])
    assert below
    assert below == sorted(set(below), key=int)
