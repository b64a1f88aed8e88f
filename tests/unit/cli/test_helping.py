"""The first help of a command is short and names what people use; every flag it names exists."""

import re

import pytest

from tutelage.cli import flags

KINDS = {"distill": flags.DistillFlags, "tune": flags.TuneFlags, "train": flags.TrainFlags, "check": flags.TrainFlags}


def printed(kind, verb, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        flags.parsed(kind, verb, words)
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", KINDS)
def test_the_first_help_is_one_screen_and_all_its_flags_exist(verb, capsys):
    short = printed(KINDS[verb], verb, ["--help"], capsys)
    assert len(short.splitlines()) <= 30
    assert short.index("--teacher") < short.index("--student") < short.index("--fit.epochs")
    every = printed(KINDS[verb], verb, ["--help", "all"], capsys)
    assert len(every.splitlines()) > 200
    named = set(re.findall(r"^  (--[a-z.-]+)", short, re.MULTILINE)) - {"--teacher", "--student"}
    assert len(named) >= 7
    assert all(re.search(rf"{re.escape(flag)}\b", every) for flag in named)


def test_the_help_of_a_recipe_says_its_values(capsys):
    short = printed(flags.DistillFlags, "distill", ["digits", "--help"], capsys)
    assert "usage: tutelage distill digits [FLAGS]" in short
    assert "how often a student sees every image (3)" in short
    every = printed(flags.TrainFlags, "train", ["digits", "crd", "--help", "all"], capsys)
    assert "--method.negatives" in every


def test_it_fits_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    short = printed(flags.DistillFlags, "distill", ["digits", "--help"], capsys)
    assert max(map(len, short.splitlines())) <= 60
