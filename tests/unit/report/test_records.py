"""A study's results as records: what is in which column."""

import pytest

from studies import TOO_FEW, study
from tutelage.report.records import filled, of_study, spread


def test_every_row_has_the_same_columns_and_every_column_a_number():
    teacher, baseline, kd = of_study(study())
    assert list(teacher) == list(baseline) == list(kd)
    assert all(any(row[name] is not None for row in (teacher, baseline, kd)) for name in kd)


def test_the_numbers_are_those_of_the_made_up_study():
    teacher, baseline, kd = of_study(study())
    assert (teacher["method"], baseline["method"], kd["method"]) == ("teacher large", "baseline", "kd")
    assert (teacher["test_top1"], teacher["test_top1_sd"]) == (0.92, None)
    assert baseline["test_top1"] == pytest.approx(0.72)
    assert baseline["test_top1_sd"] == pytest.approx(0.02)
    assert (kd["gain_test"], kd["gain_test_low"], kd["gain_test_high"]) == (0.05, 0.0252, 0.0748)
    assert (kd["gain_test_n"], kd["gain_test_verdict"], baseline["gain_test"]) == (3, "gain", None)
    assert (kd["n"], kd["parameters"], kd["multiply_adds"]) == (3, 4000, 20_000)


def test_one_seed_has_no_spread_and_no_interval():
    kd = of_study(study(gains={"kd": TOO_FEW}, seeds=1))[-1]
    assert "test_top1_sd" not in kd
    assert "gain_test_low" not in kd
    assert kd["gain_test"] == 0.05


def test_a_mean_over_other_seeds_is_none():
    assert spread("x", [1.0, None, 3.0]) == {"x": None, "x_sd": None}
    assert spread("x", []) == {"x": None, "x_sd": None}


def test_columns_without_any_number_are_left_out():
    assert filled([{"a": 1, "b": None}, {"c": 2}]) == [{"a": 1, "c": None}, {"a": None, "c": 2}]
