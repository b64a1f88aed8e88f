"""What a search promised beside what fresh seeds kept, in words."""

import studies
from tutelage.report.search import in_words


def test_the_winners_promise_stands_beside_what_was_kept():
    fresh = {"val": {"mean": 0.02, "n": 3, "low": 0.01, "high": 0.03}}
    rows = [{"label": "kd (alpha 0.5)", "seeds": [{"val": {"top1": top1}} for top1 in (0.72, 0.74)]}]
    first, second, third = in_words(
        {"tuning": studies.search(1) | {"tuned_row": "kd (alpha 0.5)", "fresh": fresh}, "rows": rows}
    )
    assert "3 trials at seed 1000, 1 ended early, 0 diverged; best on val: kd, alpha 0.5 (trial 2)" in first
    assert "+5.00 points in the search, whose winner it is; +2.00 on 3 fresh seeds" in second
    assert "(95 % interval 1.00 to 3.00)" in second
    assert "val of the best trial 75.00 %, mean of the same setting on fresh seeds 73.00 %" in third


def test_where_the_defaults_win_there_is_nothing_to_adopt():
    assert (
        in_words({"tuning": studies.search(0)})[-1]
        == "no trial was better than the method's defaults: there is nothing to adopt"
    )
