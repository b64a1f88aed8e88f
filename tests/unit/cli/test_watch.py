"""`tutelage watch`: what it draws of files that others are writing."""

import io
import json
import re

import pytest
from rich.console import Console

from tutelage import files
from tutelage.cli import main
from tutelage.cli.braille import Curve, plot
from tutelage.cli.watch import drawn, find
from tutelage.errors import UserError

RECIPE = {"method": {"name": "kd", "temperature": 4.0}, "fit": {"epochs": 4}, "seed": 0}


def begin(folder, recipe, *, epochs: int, done: bool = False):
    """A run's folder as far as some epochs of 10 steps."""
    files.write_json(folder / "recipe.json", recipe)
    for epoch in range(1, epochs + 1):
        lines = [{"step": 10 * epoch, "split": "train", "name": "loss", "value": 2.0 / epoch}]
        lines.append({"step": 10 * epoch, "split": "val", "name": "top1", "value": 0.5 + 0.1 * epoch})
        files.append_lines(folder / "metrics.jsonl", lines)
    if done:
        (folder / "DONE").touch()


@pytest.fixture
def study(tmp_path):
    """Three runs: done, going on with a line half-written, and not begun."""
    recipes = [RECIPE | {"method": {"name": "baseline"}}, RECIPE]
    files.write_json(tmp_path / "study-a" / "study.json", {"name": "", "seeds": [0, 1], "recipes": recipes})
    begin(tmp_path / "a", recipes[0], epochs=4, done=True)
    begin(tmp_path / "b", recipes[1], epochs=2)
    with (tmp_path / "b" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "split": "train", "na')
    begin(tmp_path / "of another study", recipes[1] | {"seed": 7}, epochs=4)
    return tmp_path / "study-a"


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_a_study_is_told_run_by_run(study, capsys):
    main(["watch", str(study)])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii(), "no curves where output is piped"
    told = rows(out)
    assert told[0] == ["baseline", "0", "4.0", "of", "4", "0.5", "90.00", "%", "90.00", "%", "done"]
    assert told[1][:10] == ["kd", "0", "2.0", "of", "4", "1", "70.00", "%", "70.00", "%"]
    assert told[1][10:12] == ["last", "news"]
    assert [row[:2] for row in told[2:]] == [["baseline", "1"], ["kd", "1"]]
    assert all(row[-2:] == ["not", "begun"] for row in told[2:])


def test_on_a_terminal_it_draws_and_ends_when_all_is_done(study, capsys, monkeypatch):
    monkeypatch.setattr("tutelage.cli.watch.Console", lambda **_: Console(force_terminal=True, width=90))
    looks = []

    def another_look(_seconds):
        looks.append(1)
        begin(study.parent / "b", RECIPE, epochs=0, done=True)
        for name, method in (("c", "baseline"), ("d", "kd")):
            recipe = json.loads((study / "study.json").read_text())["recipes"][method == "kd"]
            begin(study.parent / name, recipe | {"seed": 1}, epochs=4, done=True)

    monkeypatch.setattr("tutelage.cli.watch.time.sleep", another_look)
    main(["watch", str(study)])
    assert looks == [1]
    out = capsys.readouterr().out
    assert "val top-1 by epoch" in out
    assert any(0x2800 < ord(letter) < 0x2900 for letter in out)


def test_without_colours_each_method_has_a_picture(study):
    def told(**settings):
        console = Console(file=io.StringIO(), force_terminal=True, width=90, color_system="standard", **settings)
        console.print(drawn(find(study), console))
        return console.file.getvalue()

    plain, coloured = told(no_color=True), told(no_color=False)
    assert ("val top-1 by epoch, baseline" in plain, "val top-1 by epoch, kd" in plain) == (True, True)
    assert not re.search(r"\x1b\[[0-9;]*[349][0-7]", plain), "no colour, bold alone"
    assert coloured.count("val top-1 by epoch") == 1
    assert re.search(r"\x1b\[36m", coloured)


def test_a_run_in_its_first_epoch_counts_steps(tmp_path):
    files.write_json(tmp_path / "recipe.json", RECIPE)
    files.append_line(tmp_path / "metrics.jsonl", {"step": 5, "split": "train", "name": "loss", "value": 1.5})
    out = io.StringIO()
    console = Console(file=out, width=100)
    console.print(drawn(find(tmp_path), console))
    assert "step 5" in out.getvalue()
    assert "training loss" in out.getvalue()


def test_a_composition_is_named_by_its_parts(tmp_path):
    method = {"name": "sum", "first": {"name": "kd"}, "second": {"name": "at", "weight": 1.0}}
    files.write_json(tmp_path / "recipe.json", RECIPE | {"method": method})
    assert find(tmp_path)[0].method == "kd+at"


def test_a_folder_of_neither_kind(tmp_path):
    with pytest.raises(UserError, match="no run and no study"):
        find(tmp_path)


def test_a_curve_goes_from_corner_to_corner():
    lines = [line.plain for line in plot([Curve([0.0, 1.0], [5.0, 10.0], "red")], width=23, height=6)]
    assert lines[0].startswith("10 ")
    assert lines[4].startswith(" 5 ")
    assert lines[5] == "   0" + "1".rjust(19)
    # the lowest left and the highest right dot
    assert ord(lines[4][3]) & 0x40
    assert ord(lines[0][-1]) & 0x08
    assert all(line[3:].strip() for line in lines), "a dot in every row"


def test_a_constant_and_nothing():
    assert len(plot([Curve([1.0], [2.0], "red")], width=20, height=5)) == 5
    assert plot([], 20, 5)[0].plain == "nothing yet"
