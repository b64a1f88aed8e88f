"""A study before it runs: what belongs together, and under which name."""

import json
from dataclasses import replace

import pytest

from tutelage.errors import UserError
from tutelage.methods import DKD, KD, Baseline
from tutelage.models import Model
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study.study import Study

TAUGHT = Recipe(teacher=TeacherSpec(), method=KD())


def test_the_baseline_is_added_and_comes_first():
    assert [type(row.method) for row in Study((TAUGHT,)).rows] == [Baseline, KD]
    both = (replace(TAUGHT, method=DKD()), TAUGHT.as_baseline, TAUGHT)
    assert [type(row.method) for row in Study(both).rows] == [Baseline, DKD, KD]


@pytest.mark.parametrize(
    ("recipes", "seeds", "message"),
    [
        ((), (0,), "a study without a recipe"),
        ((TAUGHT,), (), "seeds ="),
        ((TAUGHT,), (0, 1, 0), "seeds ="),
        ((TAUGHT, replace(TAUGHT, student=Model("resnet14"), method=DKD())), (0,), "more than the method"),
        ((TAUGHT, replace(TAUGHT, views=3, method=DKD())), (0,), "more than the method"),
        ((TAUGHT, replace(TAUGHT, seed=4)), (0,), "the same recipe is in the study twice: kd"),
    ],
    ids=["none", "no seed", "a seed twice", "student", "views", "twice"],
)
def test_what_is_no_study_is_refused(recipes, seeds, message):
    with pytest.raises(UserError, match=message):
        Study(recipes, seeds)


def test_the_folder_is_named_by_recipes_and_seeds_alone():
    name = Study((TAUGHT,), (0, 1)).folder_name
    assert name.startswith("study-digits-kd-resnet8-")
    assert Study((replace(TAUGHT, seed=5),), (0, 1)).folder_name == name
    assert Study((TAUGHT,), (0, 2)).folder_name != name
    assert Study((replace(TAUGHT, method=KD(2.0)),), (0, 1)).folder_name != name
    assert Study((TAUGHT,), (0, 1), "mine").folder_name == "study-mine-" + name[-8:]


def test_a_study_is_read_as_it_was_written(tmp_path):
    study = Study((TAUGHT, replace(TAUGHT, method=DKD())), (3, 1), "mine")
    (tmp_path / "study.json").write_text(json.dumps(study.to_dict()))
    again = Study.open(tmp_path)
    assert again.rows == study.rows
    assert (again.seeds, again.folder_name) == (study.seeds, study.folder_name)


def test_a_folder_without_a_study_or_a_baseline_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        Study.open(tmp_path)
    plain = Study((TAUGHT,), (0,)).to_dict()
    (tmp_path / "study.json").write_text(json.dumps(plain | {"recipes": plain["recipes"][1:]}))
    with pytest.raises(UserError, match="its first recipe is not the baseline"):
        Study.open(tmp_path)
