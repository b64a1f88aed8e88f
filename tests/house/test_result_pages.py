"""The numbers in README, docs/guides/article.md and the result pages are those of the JSON files."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from scipy import stats

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "docs" / "results"

import article_pages  # noqa: E402
import crossfit  # noqa: E402
import headline  # noqa: E402
import headline_search  # noqa: E402
import imagenet_page  # noqa: E402
import int8  # noqa: E402
import lite0  # noqa: E402
import mcu_page  # noqa: E402
import methods as methods_page  # noqa: E402
import ninety  # noqa: E402
import optimizers  # noqa: E402
import small_photos_page  # noqa: E402
import tuned  # noqa: E402
import weights as weights_page  # noqa: E402

PAGES = {
    "article_mistakes": article_pages.page,
    "crossfit": crossfit.page,
    "headline_search": headline_search.page,
    "lite0": lite0.page,
    "methods": methods_page.page,
    "ninety": ninety.page,
    "optimizers": optimizers.page,
    "int8": int8.page,
    "small_photos": small_photos_page.as_text,
    "imagenet": imagenet_page.text,
    "tuned": tuned.page,
    "weights": weights_page.page,
} | {name: partial(headline.page, name=name) for name in ("headline", "headline_small")}


def test_the_guides_sentences_are_what_was_measured():
    page, said = article_pages.GUIDE.read_text(), article_pages.sentences()
    places = {place["name"] for place in article_pages.PLACE.finditer(page)}
    assert set(said) - {"alone", "alone, no augmentation"} <= places, "a sentence without a place"
    assert article_pages.filled(page, said) == page, "run python benchmarks/article_pages.py"


@pytest.mark.parametrize("name", [name for name in PAGES if (RESULTS / f"{name}.json").exists()])
def test_a_result_page_is_its_json(name):
    told = json.loads((RESULTS / f"{name}.json").read_text())
    assert PAGES[name](told) == (RESULTS / f"{name}.md").read_text()


def test_the_page_of_microcontrollers_is_its_three_files():
    assert mcu_page.page() == (RESULTS / "mcu.md").read_text(), "run python benchmarks/mcu_page.py"


def test_the_guide_of_methods_has_the_tables_that_were_measured():
    told = json.loads((RESULTS / "methods.json").read_text())
    text = methods_page.GUIDE.read_text()
    assert {place["name"] for place in methods_page.PLACE.finditer(text)} == {"again", "longer", "best"}
    assert methods_page.guide(text, told) == text, "run python benchmarks/methods.py page"


def test_methods_are_compared_by_pairs_of_seeds_with_one_deviation_for_all():
    """Against a paired t-test where there are two methods: then the residual is half the difference's."""
    kd, other = [80.0, 81.0, 80.4], [80.9, 81.6, 81.5]
    rows = methods_page.compared({"kd": kd, "other": other})
    test = stats.ttest_rel(other, kd)
    low, high = test.confidence_interval(0.95)
    assert rows["other"]["gain"] == pytest.approx(0.87, abs=0.005)
    assert rows["other"]["p"] == pytest.approx(test.pvalue, abs=1e-4)
    assert 2 * rows["other"]["half"] == pytest.approx(high - low, abs=0.02)
    assert "gain" not in rows["kd"]


def test_weights_are_divided_by_what_their_methods_claim_and_taken_after_their_warm_up():
    mlkd, luminet = (methods_page.LABELS[label]() for label in ("mlkd, for 10 classes", "luminet"))
    assert (mlkd.batch_weight, mlkd.class_weight) == pytest.approx((0.45 / 20, 0.45 / 400))
    assert mlkd.instance_weight == 0.9
    assert weights_page.after_warm_up(luminet).warm_up == 0.0
    assert weights_page.after_warm_up(mlkd) is mlkd


def test_the_table_of_weights_says_what_diverged_and_has_the_heaviest_first():
    fine, broken = (
        {"first": 2.0, "last": 3.0, "cross_entropy": 1.5},
        {"first": 67.4, "last": None, "cross_entropy": None},
    )
    rows = {"kd": {"muon": fine, "sgd": fine}, "cat_kd": {"muon": broken, "sgd": broken | {"last": 80.0}}}
    assert weights_page.table(rows).splitlines()[2:] == [
        "| cat_kd | 67.4 | diverged | 80 | diverged | diverged |",
        "| kd | 2 | 3 | 3 | 1.50 | 1.50 |",
    ]


def test_a_gradients_norm_is_that_of_all_weights_together():
    weights = [torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)]
    assert weights_page.norm((3 * weights[0] + 4 * weights[1]).sum(), weights) == pytest.approx(5.0)


def test_a_search_costs_what_its_trials_trained_on():
    """Eight trials of 5,000 images, three of them ended after 2 of 6 epochs, beside one training of 12 x 20,000."""
    trials = [{"state": "complete"}] * 4 + [{"state": "diverged"}] + [{"state": "pruned"}] * 3
    assert tuned.search_cost(trials) == pytest.approx((5 * (2 + 6) + 3 * 2) * 5 / (12 * 20))


def test_tuned_methods_stand_beside_their_published_numbers_and_kd_tuned_as_well():
    rows = {
        "kd": {"best": {}, "val": 82.8, "cost": 1.1},
        "at": {"best": {"teacher_weight": 339.0, "power": 1.5}, "val": 81.5, "cost": 1.25},
    }
    assert tuned.table(rows, {"kd": 82.8, "at": 79.0}, 82.8).splitlines()[2:] == [
        "| kd | 82.80 % | 82.80 % | +0.00 |  | as published | 1.10 trainings |",
        "| at | 79.00 % | 81.50 % | +2.50 | -1.30 | `teacher_weight` 339, `power` 1.5 | 1.25 trainings |",
    ]


def test_a_warm_up_is_the_published_share_of_the_training():
    assert methods_page.chosen_method("dkd", 24).warm_up == 2.0
    assert methods_page.chosen_method("kd, standardised", 24).teacher_weight == 10.0


def test_the_second_wave_has_the_best_of_the_first_and_what_all_are_compared_with():
    lines = [{"wave": "all", "method": f"m{i}", "val": i / 100} for i in range(15)]
    lines += [{"wave": "all", "method": "idea: a", "val": 0.9}, {"wave": "best", "method": "x", "val": 1.0}]
    assert methods_page.promising(lines) == ["baseline", "kd", "dkd", "idea: a", *(f"m{i}" for i in range(14, 4, -1))]


def test_cells_are_paired_by_seed():
    """The difference of each pair, whatever the order of the lines; a seed that is not there yet does not count."""
    tops = {"right": [50.0, 60.0, 70.0, 80.0], "new_adam": [49.0, 58.0, 67.0]}
    lines = [
        {"data": "digits", "cell": cell, "seed": seed, "val_top1": value}
        for cell, values in tops.items()
        for seed, value in enumerate(values)
    ]
    cells = article_pages.result(lines[::-1])["digits"]
    assert cells["new_adam"]["against_right"]["mean"] == -2
    assert cells["new_adam"]["against_right"]["n"] == 3
    # t(0.975, 2) / sqrt(3) = 2.4841 for a standard deviation of 1
    assert cells["new_adam"]["against_right"]["low"] == pytest.approx(-4.484, abs=1e-3)
    assert "against_right" not in cells["right"]


@pytest.mark.parametrize(("low", "high", "shown"), [(-3.0, -1.0, True), (-3.0, 1.0, False), (1.0, 3.0, True)])
def test_nothing_is_said_to_be_shown_where_the_interval_contains_zero(low, high, shown):
    wrong = {"val_top1": [50.0, 52.0, 54.0], "against_right": {"mean": -1.0, "low": low, "high": high, "n": 3}}
    said = article_pages.sentence(wrong, {"val_top1": [53.0, 53.0, 53.0]})
    assert "52.00 % instead of 53.00 %, -1.00 points" in said
    assert ("nothing was shown" in said) != shown


def test_two_seeds_carry_no_interval():
    wrong = {"val_top1": [50.0, 52.0], "against_right": {"mean": -2.0, "low": None, "high": None, "n": 2}}
    assert "n = 2, too few for an interval" in article_pages.sentence(wrong, {"val_top1": [53.0, 53.0]})


def test_an_empty_place_stays_empty():
    page = "<!-- measured a -->\nold\n<!-- end -->\n<!-- measured b -->\nold\n<!-- end -->\n"
    assert article_pages.filled(page, {"b": "new"}) == (
        "<!-- measured a -->\n<!-- end -->\n<!-- measured b -->\n> new\n<!-- end -->\n"
    )


def test_the_readmes_first_table_is_what_was_measured():
    text, told = headline.README.read_text(), RESULTS / "headline.json"
    assert headline.PLACE.search(text)
    if told.exists():
        assert headline.in_readme(text, json.loads(told.read_text())) == text


def test_changes_of_the_search_add_up_in_the_order_of_their_kinds():
    start = ninety.headline("weights", 0)
    both = ninety.candidates([], ["T = 8 + rate 0.02"])["T = 8 + rate 0.02"](start)
    assert (both.method.temperature, both.fit.learning_rate, both.fit.optimizer) == (8.0, 0.02, "muon")


def test_the_rows_of_the_search_are_its_finished_trials_seed_by_seed():
    common = {"stage": "full", "name": "muon", "epochs": 200, "views": 16, "taught": True}
    lines = [common | {"seed": seed, "val": val} for seed, val in ((1, 0.9), (0, 0.91))]
    failed = {"stage": "full", "name": "muon", "run": "a", "error": "it broke"}
    (row,) = ninety.rows([failed, *lines])
    assert row["val"] == [91.0, 90.0]
    assert "| 2 | 90.50 +- 0.71 | 91.00 90.00 |" in ninety.table([row])


def test_longer_training_is_extrapolated_from_four_lengths_on():
    measured = {epochs: 100 - 8 - 20 / epochs**0.5 for epochs in (12, 25, 50, 200)}
    text = ninety.extrapolated(measured)
    assert "8.0 + 20.0 / epochs^0.50 describes (least squares, 4 lengths) puts 400 epochs at 91.0 % on val" in text
    assert "+0.4 points over 200, and endless training at 92.0 %" in text
    assert ninety.extrapolated({12: 86.2, 25: 88.0, 50: 89.2}) == ""


def test_a_table_trained_on_a_gpu_says_so_and_gives_minutes_a_run():
    told = json.loads((RESULTS / "headline.json").read_text()) | {"trained_on": {"gpu": "NVIDIA H200"}}
    for row in told["rows"][1:]:
        row["seconds"] = [840.0] * row["n"]
    text = headline.summary(told, "headline")
    assert "(trained on an NVIDIA H200, measured on an " in text
    assert "- 14 minutes a run; teacher passes" in text
