"""Curves as braille: each dot stands where its number says."""

from tutelage.cli.braille import DOTS, Curve, plot


def dots(lines, left):
    """The (column, row) of every dot that was drawn, from the upper left."""
    found = set()
    for row, line in enumerate(lines[:-1]):
        for column, character in enumerate(line.plain[left:]):
            bits = ord(character) - 0x2800 if character != " " else 0
            found |= {(2 * column + x, 4 * row + y) for y in range(4) for x in range(2) if bits & DOTS[y][x]}
    return found


def test_a_line_goes_from_corner_to_corner():
    lines = plot([Curve([0.0, 1.0], [0.0, 1.0], "red")], width=12, height=5)
    assert [line.plain[:2].strip() for line in lines[:-1]] == ["1", "", "", "0"]
    drawn = dots(lines, left=2)
    assert (0, 15) in drawn
    assert (19, 0) in drawn
    assert {x for x, _ in drawn} == set(range(20))  # no gap between the two points
    assert all(abs((15 - y) / 15 - x / 19) <= 1 / 15 for x, y in drawn)


def test_the_ends_of_x_stand_below():
    last = plot([Curve([3.0, 250.0], [0.5, 0.25], "red")], width=20, height=3)[-1].plain
    assert last.split() == ["3", "250"]
    assert len(last) == 20


def test_a_level_curve_lies_in_the_middle():
    drawn = dots(plot([Curve([0.0, 1.0, 2.0], [7.0, 7.0, 7.0], "red")], width=12, height=5), left=2)
    assert {y for _, y in drawn} == {7}


def test_a_later_curve_lies_over_an_earlier_one():
    lines = plot([Curve([0.0, 1.0], [0.0, 1.0], "red"), Curve([0.0, 1.0], [0.0, 1.0], "blue")], width=12, height=5)
    styles = {span.style for line in lines[:-1] for span in line.spans if line.plain[span.start] not in " 01"}
    assert styles == {"blue"}


def test_no_points_are_told():
    assert [line.plain for line in plot([Curve([], [], "red")], 20, 5)] == ["nothing yet"]
