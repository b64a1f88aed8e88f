"""What came of a study, as an object: what it prints, what a notebook shows, and its table."""

from pathlib import Path

import pytest

from pages import Reader
from studies import study
from tutelage.errors import UserError
from tutelage.run.record import keep
from tutelage.study.outcome import Outcome


@pytest.fixture
def outcome(tmp_path) -> Outcome:
    keep(tmp_path, "results", study())
    return Outcome(tmp_path)


def test_printed_it_is_its_claim(outcome):
    assert str(outcome).startswith("kd lifts small from 72.0 % to 77.0 % on the test split: +5.0 points")
    assert outcome.claim == str(outcome).splitlines()[0]


def test_its_table_has_a_row_a_method(outcome):
    table = outcome.table()
    assert list(table.index) == ["teacher large", "baseline", "kd"]
    assert table.loc["kd", "gain_test"] == 0.05


def test_as_a_path_it_is_its_folder(outcome, tmp_path):
    assert Path(outcome) == tmp_path


def test_a_notebook_shows_the_claim_and_the_table_and_obeys_no_name(tmp_path):
    made = study()
    made["rows"][1]["label"] = "<script>alert(1)</script>"
    keep(tmp_path, "results", made)
    html = Outcome(tmp_path)._repr_html_()
    read = Reader(html)
    assert "<script" not in html
    assert [tag for tag, _ in read.tags].count("tr") == 3
    assert "+5.0 (2.5 to 7.5, n = 3)" in read.text
    assert "77.0 +- 2.6 %" in read.text


def test_without_results_the_command_is_named(tmp_path):
    with pytest.raises(UserError, match="has no results yet"):
        _ = Outcome(tmp_path).claim
