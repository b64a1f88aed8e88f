"""The report as a file: whole or not at all, from results.json alone."""

import json

import pytest

from studies import study
from tutelage.report import write_report
from tutelage.report.page import page


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(study()))
    return tmp_path


def test_the_page_lies_beside_its_results(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == page(study())


def test_a_page_that_cannot_be_made_leaves_the_old_one(folder, monkeypatch):
    (folder / "report.html").write_text("the old page")

    def broken(results):
        raise ValueError("no page today")

    monkeypatch.setattr("tutelage.report.page.page", broken)
    with pytest.raises(ValueError, match="no page today"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "the old page"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "results.json"]


def test_the_page_draws_flash_and_ram_with_what_is_there():
    results = study()
    assert "On a microcontroller" not in page(results)
    for row in results["rows"]:
        row["microcontroller"] = {"flash": 132_000, "ram": 58_432, "how": "its file"}
    drawn = page(results | {"budget": {"flash": 262_144, "ram": 98_304}})
    for words in ("On a microcontroller", "baseline: 72.0", "132 kB", "58.4 kB", "there are 262", "there are 98.3"):
        assert words in drawn.replace("\u202f", " ").replace("\u00a0", " "), words
