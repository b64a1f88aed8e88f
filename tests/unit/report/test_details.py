"""The closer charts: what is drawn, and what is left out because it says nothing."""

import re

from tutelage.report.details import FEWEST, confusion, reliability, tuning, with_teacher
from tutelage.report.theme import TEACHER, series

(KD,) = series(["kd"])


def test_bins_of_few_answers_are_left_out():
    bins = [
        {"images": FEWEST, "confidence": 0.5, "accuracy": 0.4},
        {"images": FEWEST - 1, "confidence": 0.9, "accuracy": 0.1},
    ]
    told = re.findall('aria-label="(kd: confidence[^"]*)"', reliability([(KD, bins)]))
    assert len(told) == 1
    assert "50.0" in told[0]
    assert f"{FEWEST} answers" in told[0]


def test_the_teachers_curve_comes_first_where_it_was_measured():
    assert with_teacher([(KD, [])], None) == [(KD, [])]
    assert [one for one, _ in with_teacher([(KD, [])], [])] == [TEACHER, KD]


def test_a_confusion_is_told_by_class_and_answer():
    drawn = confusion([[3.0, -3.0], [0.0, 1.5]], ["cat", "dog"], 620)
    labels = re.findall('aria-label="([^"]*cat[^"]*dog[^"]*|[^"]*dog[^"]*cat[^"]*)"', drawn)
    assert any("3" in label for label in labels)


def test_a_trial_is_a_mark_with_its_setting_and_result():
    trials = [
        {"number": 0, "state": "complete", "values": {"temperature": 4.0, "alpha": 0.9}, "val": 0.71},
        {"number": 1, "state": "pruned", "values": {"temperature": 12.0, "alpha": 0.1}, "val": None},
    ]
    drawn = tuning(trials, ("temperature", "alpha"), [True, False], 330)
    assert "trial 1: temperature 4, alpha 0.9: 71.00" in drawn
    assert "trial 2: temperature 12, alpha 0.1: pruned" in drawn
