"""Words behind a flag that are no value of its field are told in one sentence, before anything is built."""

import pytest

from tutelage.cli import values
from tutelage.cli.flags import DistillFlags, TuneFlags
from tutelage.errors import UserError
from tutelage.run.builtin import built_in
from tutelage.run.recipe import TeacherSpec


def written(*words: str) -> list[tuple[str, list[str]]]:
    return values.grouped(list(words))


@pytest.fixture(scope="module")
def defaults():
    return DistillFlags(built_in("digits"))


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("--fit.epochs abc", "--fit.epochs = 'abc' is not a whole number", "write a whole number for --fit.epochs"),
        ("--fit.epochs 1.5", "--fit.epochs = '1.5' is not a whole number", "write a whole number for --fit.epochs"),
        ("--fit.epochs", "--fit.epochs has no value behind it", "write a whole number behind --fit.epochs"),
        ("--seeds 1 a", "--seeds = 'a' is not a whole number", "write a whole number for --seeds"),
        ("--method.alpha=x", "--method.alpha = 'x' is not a number", "write a number for --method.alpha"),
        ("--student.mean 0.5 x", "--student.mean = 'x' is not a number", "write a number for --student.mean"),
        ("--fit.learning_rate x", "--fit.learning_rate = 'x' is not a number", "write a number for"),
        ("--teacher.live maybe", "--teacher.live = 'maybe' is not true or false", "write true or false for"),
        ("--fit.optimizer muonn", 'unknown value of --fit.optimizer: "muonn"', 'did you mean "muon"?'),
        ("--teacher.tune", "--teacher.tune has no value behind it", "write none or head or last_stage or full behind"),
        ("--stages hed", 'unknown value of --stages: "hed"', 'did you mean "head"?'),
        ("--runs --views 3", "--runs has no value behind it", "write a value behind --runs"),
        ("--runs=", "--runs is empty", "is a variable of your shell not set?"),
        ("--data-root=", "--data-root is empty", "is a variable of your shell not set?"),
        ("--method.temperature 0", "method.temperature = 0.0 is outside (0, inf)", "choose temperature in (0, inf)"),
        ("--method.alpha nan", "method.alpha = nan is not a finite number", "choose alpha in [0, 1]"),
        ("--teachers kd", "--teachers takes no value", "write --teacher once for each"),
    ],
)
def test_a_word_that_is_no_value_of_its_field(words, message, hint, defaults):
    with pytest.raises(UserError) as error:
        values.check_words(written(*words.split()), defaults)
    assert error.value.message == message
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "--fit.epochs 3 --fit.learning-rate -1e-3 --teacher.live true --force False",
        "--seeds 1 2 3 --methods kd dkd --stages head full",
        "--student.mean 0.5 1 0.25 --data-root None --runs a --name 7",
        "--frobnicate x --fit.epochs=4",
    ],
)
def test_what_fields_may_hold_passes_and_unknown_flags_are_for_others(words, defaults):
    values.check_words(written(*words.split()), defaults)


def test_members_of_an_ensemble_and_records_within_have_their_flags():
    recipe = built_in("digits").with_teachers(TeacherSpec(), TeacherSpec(seed=1))
    known = dict(values.flags_of(TuneFlags(recipe)))
    assert {"--teachers.1.seed", "--search.trials", "--fit.epochs", "--engine.device", "--method.alpha"} <= set(known)
    with pytest.raises(UserError, match=r"--teachers\.1\.seed = 'x' is not a whole number"):
        values.check_words(written("--teachers.1.seed", "x"), TuneFlags(recipe))


def test_words_belong_to_the_flag_before_them():
    assert written("--a", "1", "-2", "--b=3", "--c") == [("--a", ["1", "-2"]), ("--b", ["3"]), ("--c", [])]
