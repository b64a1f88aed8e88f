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
