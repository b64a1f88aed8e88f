"""A student chosen by what a chip has: the flags of distill, the list, and what check says."""

import pytest

from tutelage import cli
from tutelage.cli import fitting
from tutelage.cli.flags import DistillFlags, parsed
from tutelage.errors import UserError


def flags(*words: str) -> DistillFlags:
    return fitting.fitted(parsed(DistillFlags, "distill", list(words)), words)


def test_the_student_is_the_one_that_fits_and_its_neighbours_are_said(capsys):
    chosen = flags("digits", "--fit-in", "100k/64k")
    assert (chosen.recipe.student.name, chosen.recipe.student.options) == ("ds_cnn", {"width": 64})
    assert fitting.room_of(chosen) == (102_400, 65_536)
    said = " ".join(capsys.readouterr().err.split())
    assert "--fit-in 100k/64k: ds_cnn, width 64, flash 79,512, RAM 41,120 bytes" in said
    assert "at 32 pixels; of 8 it takes at most that" in said
    assert "next smaller: resnet8, width 8" in said
    assert "next larger: " in said


def test_packages_that_are_missing_are_said_before_anything_is_trained(capsys, monkeypatch):
    from tutelage.export import formats

    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "tflite_micro" else name)
    flags("digits", "--fit-in", "100k/64k")
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: there will be no file for the microcontroller: format mcu needs " in said
    assert "tflite_micro" in said
    assert "pip install 'tutelage[mcu]'" in said


def test_without_the_flag_nothing_changes():
    plain = parsed(DistillFlags, "distill", ["digits"])
    assert flags("digits") == plain
    assert fitting.room_of(plain) is None


@pytest.mark.parametrize("more", [["--student", "resnet8"], ["--student.name", "resnet8"], ["--student=resnet8"]])
def test_a_student_that_is_named_too_is_refused(more):
    with pytest.raises(UserError, match="both choose the student"):
        flags("digits", "--fit-in", "100k/64k", *more)


def test_other_fields_of_the_student_stay():
    assert flags("digits", "--fit-in", "100k/64k", "--student.mean", "0.5").recipe.student.mean == (0.5,)


def listed(capsys, *words: str) -> list[list[str]]:
    cli.main(["list", "models", *words])
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_list_has_those_that_fit_the_largest_first(capsys):
    rows = listed(capsys, "--fit-in", "256k/96k", "--size", "32")
    assert rows[0] == ["model", "options", "pixels", "flash", "RAM", "multiply-adds"]
    numbers = [[int(word.replace(",", "")) for word in row[-4:]] for row in rows[1:]]
    assert len(numbers) > 3
    assert all(size == 32 and flash <= 256 * 1024 and ram <= 96 * 1024 for size, flash, ram, _ in numbers)
    assert [row[3] for row in numbers] == sorted((row[3] for row in numbers), reverse=True)


def test_without_a_size_every_network_is_at_its_largest(capsys):
    rows = listed(capsys, "--fit-in", "256k/96k")
    pixels = {" ".join(row[:3]): int(row[-4]) for row in rows[1:]}
    assert pixels['ds_cnn {"width": 32}'] == 64
    assert pixels['ds_cnn {"width": 128}'] == 32


def test_the_list_of_ours_says_flash_and_ram(capsys):
    rows = {row[0]: row for row in listed(capsys)}
    assert "80, 41 kB" in " ".join(rows["ds_cnn"])


def test_check_says_what_the_student_takes(capsys, monkeypatch):
    chosen = parsed(DistillFlags, "distill", ["digits", "--student", "mlperf_tiny_resnet8"])
    fitting.say_what_it_takes(chosen.recipe, chosen.workspace)
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("check: student mlperf_tiny_resnet8: ")
    assert "of flash and" in said or "tutelage export --make-converters" in said
