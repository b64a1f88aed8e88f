"""How the rows of a study are named."""

from dataclasses import replace

from tutelage.methods import AT, DKD, KD, Sum
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study.results import labels

TAUGHT = Recipe(teacher=TeacherSpec(), method=KD())


def named(*methods):
    return labels((TAUGHT.as_baseline, *(replace(TAUGHT, method=method) for method in methods)))


def test_a_method_is_its_name():
    assert named(KD(), DKD()) == ["baseline", "kd", "dkd"]
    assert named(KD(temperature=2.0)) == ["baseline", "kd"]


def test_of_a_method_twice_what_is_not_at_its_default_is_said():
    assert named(KD(), KD(temperature=2.0)) == ["baseline", "kd", "kd (temperature 2)"]
    assert named(KD(temperature=2.0, alpha=0.123456), KD()) == ["baseline", "kd (temperature 2, alpha 0.123)", "kd"]


def test_of_a_composition_the_part_is_said_too():
    whole = named(Sum(KD(), AT()), Sum(KD(temperature=2.0), AT()))
    assert whole == ["baseline", "kd+at", "kd+at (kd.temperature 2)"]
