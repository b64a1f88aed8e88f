"""What may be said of a study's numbers, and what may not."""

import doctest

import pytest

from studies import GAIN, LOSS, NEITHER, TOO_FEW, study
from tutelage.report import text
from tutelage.report.claim import about_leakage, about_teacher, claim, closed


def test_a_gain():
    assert claim(study()) == (
        "kd lifts small from 72.0 % to 77.0 % on the test split: "
        "+5.0 points, 95 % interval 2.5 to 7.5, n = 3 paired seeds."
    )


def test_a_loss_is_said_as_plainly():
    assert claim(study(gains={"kd": LOSS})) == (
        "kd makes small worse, from 72.0 % to 67.0 % on the test split: "
        "-5.0 points, 95 % interval -7.5 to -2.5, n = 3 paired seeds."
    )


def test_an_interval_around_zero_shows_nothing():
    assert claim(study(gains={"kd": NEITHER})) == (
        "No gain of kd could be shown: small reaches 72.0 % alone and 71.0 % with it on the test split, "
        "-1.0 points, 95 % interval -3.0 to 1.0, n = 3 paired seeds."
    )


def test_one_seed_claims_nothing():
    told = claim(study(gains={"kd": TOO_FEW}, seeds=1))
    assert told == (
        "Nothing can be claimed from 1 seed: small reaches 70.0 % alone and 75.0 % with kd on the test split "
        "(+5.0 points); an interval needs at least 3."
    )


def test_of_several_methods_val_chooses_not_test():
    results = study(gains={"kd": GAIN, "dkd": NEITHER})
    results["rows"][2]["gain"]["val"] = GAIN | {"mean": 0.06}
    told = claim(results)
    assert told.startswith("Of 2 methods dkd was the best on val. No gain of dkd could be shown")


def test_a_baseline_alone():
    told = claim(study(gains={}))
    assert told == "small alone reaches 72.0 % on the test split; no method was compared with it."
    assert about_teacher(study(gains={})) == ""


def test_a_split_of_many_images_has_two_decimals():
    assert "from 72.00 % to 77.00 % on the test split: +5.00 points, 95 % interval 2.52 to 7.48" in claim(
        study(images=10_000)
    )


def test_the_gap_to_the_teacher():
    assert about_teacher(study()) == (
        "That closes 25 % of the gap to the teacher (large, 92.0 % on test) at 2.0 % of its multiply-adds."
    )
    assert closed(study()) == pytest.approx(0.25)


@pytest.mark.parametrize("gain", [NEITHER, LOSS, TOO_FEW])
def test_no_gap_closes_without_a_shown_gain(gain):
    results = study(gains={"kd": gain})
    assert about_teacher(results) == (
        "The gap of 20.0 points to the teacher (large, 92.0 % on test) is not shown to have shrunk; "
        "the student costs 2.0 % of its multiply-adds."
    )
    assert closed(results) is None


def test_a_student_beyond_its_teacher():
    results = study()
    results["teacher"]["test"]["top1"] = 0.76
    assert about_teacher(results).startswith("The student passes the teacher (large, 76.0 % on test)")


def test_a_teacher_no_better_than_the_baseline():
    results = study()
    results["teacher"]["test"]["top1"] = 0.72 - 1e-9
    assert about_teacher(results) == (
        "The teacher (large, 72.0 % on test) is no better than the student alone: there is no gap to close."
    )
    assert closed(results) is None


def test_a_teacher_measured_on_val_only():
    results = study()
    results["teacher"]["test"] = None
    assert "the teacher (large, 94.0 % on val)" in about_teacher(results)
    results["teacher"]["val_held_out"] = False
    assert "is not known" in about_teacher(results)
    assert closed(results) is None


def test_no_teacher_at_all():
    results = study()
    results["teacher"] = None
    assert about_teacher(results) == ""


def test_the_examples_of_the_number_formats():
    assert doctest.testmod(text).failed == 0


def test_what_leaked_is_said_where_somebody_looked():
    results = study()
    assert about_leakage(results) == ""
    results["leakage"] = None
    assert "not looked for" in about_leakage(results)
    of = {"images": 100, "copies": 1, "near": 4}
    results["leakage"] = {"val": of, "test": {**of, "near": 9}, "not_compared": []}
    told = about_leakage(results)
    assert "10 of 100 test images (10.0 %; 1 exact) and 5 of 100 validation images (5.0 %; 1 exact)" in told
    assert "up to 10.0 points too high" in told
