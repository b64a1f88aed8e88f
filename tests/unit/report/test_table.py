"""The table on the terminal."""

import io

from rich.console import Console

from studies import GAIN, NEITHER, TOO_FEW, study
from tutelage.report.table import print_table


def printed(results, **console) -> str:
    out = io.StringIO()
    print_table(results, Console(file=out, **console))
    return out.getvalue()


def test_a_pipe_gets_plain_lines():
    lines = [" ".join(line.split()) for line in printed(study()).splitlines()]
    assert lines == [
        "teacher large: val 94.0 %, test 92.0 %, 400,000 parameters, 1 M multiply-adds",
        "method val top-1 test top-1 gain on test (95 % interval, n) parameters",
        "baseline 72.0 +- 2.0 % 72.0 +- 2.0 % 4,000",
        "kd 77.0 +- 2.6 % 77.0 +- 2.6 % +5.0 (2.5 to 7.5, n = 3) 4,000",
        "on test NLL Brier score ECE confidence agreement with the teacher KL to the teacher",
        "teacher 0.654 0.345 0.032 88.0 % - -",
        "baseline 0.654 0.345 0.032 88.0 % 80.0 % 0.300",
        "kd 0.654 0.345 0.032 88.0 % 80.0 % 0.300",
        "lower is better: NLL, Brier score, ECE",
        "3 pairs are few: 5 or more make the intervals a good deal narrower",
        "2 min 5 s in all, 1 min 40 s of it training students, 20 s of it training the teacher; "
        "teacher passes paid 10,352, saved 76,800",
        "test split opened once by this study, 4 times in all until 2026-01-02 03:30:00+00:00",
        "to hand over: cats-kd-small-s2-0, of 3 seeds of kd the best on val (80.0 %; mean 77.0 %); "
        "what is claimed is the mean",
        "exported cats-kd-small-s2-0/student.onnx: 33.6 kB, val top-1 77.0 % by ONNX Runtime, "
        "0.123 ms an image on one thread",
        "kd lifts small from 72.0 % to 77.0 % on the test split: +5.0 points, 95 % interval 2.5 to 7.5, "
        "n = 3 paired seeds.",
        "That closes 25 % of the gap to the teacher (large, 92.0 % on test) at 2.0 % of its multiply-adds.",
    ]


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    on_terminal = {"force_terminal": True, "width": 140}
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m" in printed(study(), color_system="standard", **on_terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;32m" not in printed(study(), color_system="standard", **on_terminal)


def test_below_three_seeds_there_is_no_interval_and_a_reason():
    told = printed(study(gains={"kd": TOO_FEW}, seeds=1))
    assert "+5.0 (n = 1)" in told
    assert "no intervals: 1 of the at least 3 paired seeds that one needs" in told
    assert "+-" not in told


def test_a_teacher_that_was_trained_on_val():
    results = study()
    results["teacher"] |= {"val_held_out": False, "test": None}
    assert "val 94.0 % (trained on these images), test not measured" in printed(results)


def test_without_teacher_or_export():
    results = study(gains={"label_smoothing": NEITHER})
    results["teacher"] = results["export"]["onnx"] = None
    for row in results["rows"]:
        for seed in row["seeds"]:
            del seed["test"]["agreement"]
    told = printed(results)
    assert "agreement" not in told
    assert "exported" not in told


def test_several_methods_are_said_to_be_corrected():
    assert "corrected for comparing 2 methods (Holm)" in printed(study(gains={"kd": GAIN, "dkd": NEITHER}))


def test_markup_in_names_is_text():
    told = printed(study(gains={"[red]cats": GAIN}))
    assert any(line.startswith("[red]cats ") and line.rstrip().endswith("4,000") for line in told.splitlines())


def test_a_narrow_terminal_gets_a_line_a_measure_and_nothing_cut_off():
    out = printed(study(), width=60, force_terminal=True, color_system=None)
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert max(map(len, out.splitlines())) <= 60
    (line,) = (line for line in out.splitlines() if line.startswith("NLL"))
    assert len(line.split()) == 4
