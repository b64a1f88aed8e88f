"""How the charts look: series that differ without colour, drawings that are described, nothing unescaped."""

import altair as alt
import pytest

from tutelage.report.theme import TEACHER, draw, series

CHART = alt.Chart(alt.Data(values=[{"x": 1, "name": "<script>alert(1)</script>"}])).mark_point()


def test_series_differ_in_shape_and_dash_as_well_as_colour():
    rows = series([f"row {i}" for i in range(8)])
    for part in ("key", "color", "shape"):
        assert len({getattr(row, part) for row in rows}) == 8
    assert len({tuple(row.dash) for row in rows}) == 8
    assert TEACHER.shape not in {row.shape for row in rows}


def test_from_the_ninth_on_they_come_again_under_other_keys():
    rows = series([f"row {i}" for i in range(9)])
    assert rows[8].color == rows[0].color
    assert rows[8].key != rows[0].key


def test_a_drawing_is_an_svg_that_says_what_it_shows():
    drawn = draw(CHART.encode(x="x:Q"), 'gain <of> "kd"')
    assert drawn.startswith("<svg ")
    assert 'aria-label="gain &lt;of&gt; &#34;kd&#34;"' in drawn
    assert "var(--" in drawn, "colours are the page's"


def test_what_comes_from_data_is_escaped():
    assert "<script" not in draw(CHART.encode(x=alt.X("name:N")), "names")


@pytest.mark.parametrize("number", [0, 3])
def test_a_swatch_is_for_the_eye_alone(number):
    row = series(["a", "b", "c", "d"])[number]
    assert 'aria-hidden="true"' in row.swatch
    assert row.color in row.swatch
