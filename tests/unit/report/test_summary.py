"""results.json as rows of numbers."""

import pytest

from studies import GAIN, study
from tutelage.report.summary import classes, curves, methods, recipes


def test_means_over_seeds():
    results = study()
    for seed, nll in zip(results["rows"][1]["seeds"], (0.1, 0.2, 0.6), strict=True):
        seed["test"] = seed["test"] | {"nll": nll}
    baseline, kd = methods(results)
    assert kd.measures["nll"] == pytest.approx(0.3)
    assert baseline.top1["test"] == [0.70, 0.72, 0.74]
    assert baseline.gain is None
    assert kd.gain["test"] is GAIN


def test_a_class_without_images_has_no_accuracy():
    frog = classes(study(), methods(study())[1])[2]
    assert frog == {"name": "frog", "baseline": None, "student": None, "teacher": None}


def test_a_measure_that_was_not_taken_is_none():
    results = study()
    for seed in results["rows"][0]["seeds"]:
        del seed["test"]["agreement"]
    assert methods(results)[0].measures["agreement"] is None


def test_rows_of_the_same_method_are_told_apart():
    results = study(gains={"kd": GAIN, "kd again": GAIN})
    for number, temperature in ((1, 4.0), (2, 1.0)):
        method = {"name": "kd", "temperature": temperature}
        results["rows"][number] |= {"label": "kd", "method": method}
        results["recipes"][number]["method"] = method
    assert [row.label for row in methods(results)] == ["baseline", "kd, temperature 4.0", "kd, temperature 1.0"]
    results["recipes"][1]["method"] = results["recipes"][2]["method"]
    results["recipes"][2]["teacher"]["model"]["name"] = "huge"
    assert [row.label for row in methods(results)] == ["baseline", "kd, from large", "kd, from huge"]


def test_a_curve_is_mean_and_range_over_the_seeds():
    last = curves(study(), "val_top1")[0][-1]
    assert last == pytest.approx((3.0, 0.72, 0.70, 0.74))


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    results = study(gains={}, seeds=1)
    results["rows"][0]["seeds"][0]["curves"]["train_loss"] = [[step / 10, float(step)] for step in range(1000)]
    (thinned,) = curves(results, "train_loss", most=60)
    assert len(thinned) <= 61
    assert (thinned[0].mean, thinned[-1].mean) == (0.0, 999.0)


def test_recipes_are_split_into_what_differs_and_what_is_shared():
    differing, shared = recipes(study())
    assert {row["field"]: row["values"] for row in differing} == {
        "method.name": ["baseline", "kd"],
        "method.temperature": [None, "4.0"],
        "teacher.model.name": [None, "large"],
    }
    assert {row["field"]: row["value"] for row in shared} == {
        "student.name": "small",
        "teacher.tune": "full",
        "fit.epochs": "3",
        "fit.learning_rate": "0.1",
    }
