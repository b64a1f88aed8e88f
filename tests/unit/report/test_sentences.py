"""The sentences of a report, against numbers that are chosen here."""

import pytest

from studies import GAIN, TOO_FEW, study
from tutelage.report import sentences
from tutelage.report.summary import Summary


def test_what_was_found_done_is_counted_apart():
    results = study()
    results["cost"] |= {
        "commands": 2,
        "own_seconds": {"students": 60.0, "teachers": 0.0},
        "found_done": {"students": 2, "teachers": 1},
    }
    assert sentences.cost(results) == (
        "2 min 5 s in all over 2 commands, 1 min 0 s of it training students; found done, and not in that time: "
        "2 of 6 students (40 s of training) and 1 teacher (20 s); teacher passes paid 10,352, saved 76,800"
    )


def test_training_at_once_that_takes_longer_than_the_clock_is_added_up():
    results = study()
    results["cost"] |= {"own_seconds": {"students": 200.0, "teachers": 20.0}}
    assert sentences.cost(results).startswith(
        "2 min 5 s in all, several runs at once: 3 min 20 s of training students and 20 s of training the teacher, "
        "added up; "
    )


def test_results_from_before_commands_were_noted_do_not_say_what_was_in_that_time():
    results = study()
    for name in ("commands", "own_seconds", "found_done"):
        del results["cost"][name]
    assert sentences.cost(results).startswith(
        "2 min 5 s in all; training students took 1 min 40 s; training the teacher took 20 s; "
    )


def test_openings_of_older_records_are_counted_and_said_so():
    opened = study()["test_openings"] | {"unnamed": 2}
    told = sentences.openings(opened)
    assert told.endswith("; 2 of these in records that do not say which data set was opened")
    del opened["until"], opened["unnamed"]
    assert sentences.openings(opened) == "test split opened once by this study, 4 times in all"


@pytest.mark.parametrize(
    ("exported", "said"),
    [(False, "not exported; tutelage export RUN --force does it all the same"), (True, "exported all the same")],
)
def test_a_student_that_is_not_worth_it_is_named(exported, said):
    results = study()
    results["export"]["doubt"] = "it is right on 3 of 14 validation images"
    results["export"]["onnx"] = results["export"]["onnx"] if exported else None
    lines = sentences.handed_over(Summary.of(results))
    assert lines[-1] == f"warning: cats-kd-small-s2-0: it is right on 3 of 14 validation images; {said}"


def test_one_seed_is_no_choice():
    results = study(gains={"kd": TOO_FEW}, seeds=1)
    results["export"] |= {"seed": 0, "val": 0.75, "run": "cats-kd-small-s0-0"}
    assert sentences.handed_over(Summary.of(results))[0] == (
        "to hand over: cats-kd-small-s0-0, the one seed of kd (75.0 % on val)"
    )


def test_few_images_and_other_conditions_are_caveats():
    results = study(gains={"kd": GAIN}, images=14)
    results["conditions"] = [{"condition": "threads", "values": ["1", "2"], "runs": [["a"], ["b", "c"]]}]
    validation, test, threads = sentences.caveats(results)
    # Wilson's formula at 7 of 14: 0.5 +- 1.96 sqrt(0.25 / 14 + 1.96^2 / (4 14^2)) / (1 + 1.96^2 / 14)
    assert "14 validation images are few: of a network that is right on 7 of them, 26.8 % to 73.2 %" in validation
    assert test.startswith("14 test images are few")
    assert "the same threads: 1 (a), 2 (2 runs)" in threads
    assert sentences.caveats(study()) == []


def test_folds_are_told_row_by_row_with_their_intervals():
    results = study()
    assert sentences.folds(results) == []
    alone = {"label": "baseline", "top1": [], "mean": 0.783, "interval": [0.7, 0.866]}
    taught = {"label": "kd", "top1": [], "mean": 0.801, "interval": None}
    rows = [alone | {"gain": 0.0, "gain_interval": [0, 0]}, taught | {"gain": 0.018, "gain_interval": [-0.02, 0.056]}]
    results["folds"] = {"folds": 5, "repeats": 2, "images": 140, "rows": rows}
    (told,) = sentences.folds(results)
    assert told == (
        "cross-validated on 140 images, 2 x 5 folds: baseline 78.3 % (70.0 % to 86.6 %); kd 80.1 %, +1.8 points "
        "(-2.0 to 5.6) (95 % intervals, corrected for the training images that folds share: Nadeau & Bengio 2003)"
    )
    assert told in sentences.caveats(results)


def test_what_unlabelled_images_are_worth_is_a_difference_on_test():
    results = study(gains={"kd": GAIN, "again": GAIN})
    results["recipes"][2]["method"] = results["recipes"][1]["method"]
    assert sentences.unlabeled(results) == []
    results["data"]["unlabeled"] = 500
    results["recipes"][2]["data"] = {"unlabeled": "more"}
    for seed, top1 in zip(results["rows"][2]["seeds"], (0.78, 0.78, 0.83), strict=True):  # kd has 0.75, 0.76, 0.80
        seed["test"] = seed["test"] | {"top1": top1}
    first, second = sentences.unlabeled(results)
    assert first == "500 images without a label were learnt from too, by every row that names them"
    # differences 3, 2, 3 points: mean 2.67, 4.303 * 0.577 / sqrt(3) = 1.43 on either side
    assert second == "they are worth +2.7 points to again on test (1.2 to 4.1, n = 3)"


def on_a_chip(budget: bool):
    results = study()
    for row in results["rows"]:
        row["microcontroller"] = {"flash": 132_000, "ram": 58_432, "how": "its file"}
    return results | ({"budget": {"flash": 262_144, "ram": 98_304}} if budget else {})


def test_flash_and_ram_of_a_student_stand_beside_what_is_there():
    said = "in 8 bits on a microcontroller: 132 kB of flash (its code is an estimate), 58.4 kB of RAM, by its file"
    assert sentences.microcontroller(Summary.of(on_a_chip(budget=False))) == said
    assert sentences.microcontroller(Summary.of(on_a_chip(budget=True))) == said + "; 262 kB and 98.3 kB are there"
    assert sentences.microcontroller(Summary.of(study())) == ""


def test_what_vela_expects_stands_beside_flash_and_ram():
    results = on_a_chip(budget=False)
    for row in results["rows"]:
        row["microcontroller"]["npu"] = {"npu": "ethos-u55-128", "cycles": 312_519, "ms": 0.625, "sram": 53_936}
    said = sentences.microcontroller(Summary.of(results))
    assert said.endswith("by its file; on ethos-u55-128 312,519 cycles, 0.625 ms, 53.9 kB of SRAM, by Vela")
