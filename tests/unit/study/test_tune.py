"""A search before it runs, and what it says in the end; the trials themselves are tests/end_to_end/test_tune.py."""

from dataclasses import replace

import pytest

import small
import studies
from tutelage.errors import UserError
from tutelage.methods import AT, DKD, KD, Baseline
from tutelage.models import Model
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study.search import Search
from tutelage.study.tune import Tuning

TAUGHT = Recipe(teacher=TeacherSpec(Model("resnet20", weights="t.pth")), method=KD())


def test_the_folder_stays_where_more_trials_are_asked_for():
    name = Tuning((TAUGHT,), Search(trials=5)).folder_name
    assert name.startswith("tune-digits-kd-resnet8-")
    assert Tuning((TAUGHT,), Search(trials=50, minutes=3.0)).folder_name == name
    assert Tuning((replace(TAUGHT, seed=3),), Search(trials=5)).folder_name == name
    assert Tuning((TAUGHT,), Search(epochs=2)).folder_name != name
    assert Tuning((replace(TAUGHT, method=KD(2.0)),), Search(trials=5)).folder_name != name


@pytest.fixture(autouse=True)
def _weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.pth").write_bytes(b"weights")


def test_a_trial_has_its_own_seed_budget_and_part(tmp_path):
    tuning = Tuning((TAUGHT,), Search(epochs=2, part=600, seed=77))
    trial = tuning.trial_of(TAUGHT, small.workspace(tmp_path))
    assert (trial.seed, trial.fit.epochs, trial.data.part) == (77, 2, 600)
    assert trial.teacher == TAUGHT.teacher
    assert Tuning((TAUGHT,), Search()).trial_of(TAUGHT, small.workspace(tmp_path)).fit == TAUGHT.fit


def test_a_part_is_taught_by_the_teacher_of_the_whole(tmp_path):
    first = replace(TAUGHT, teacher=TeacherSpec(Model("resnet20"), tune="full"))
    trial = Tuning((first,), Search(part=600)).trial_of(first, small.workspace(tmp_path))
    (own,) = first.of_teachers
    assert trial.teacher.tune == "none"
    assert trial.teacher.model.weights == str(tmp_path / own.name)


@pytest.mark.parametrize(
    ("recipes", "search", "message"),
    [
        ((replace(TAUGHT, method=Baseline(), teacher=None),), Search(), "baseline has no number to tune"),
        ((TAUGHT,), Search(seed=0), "also a seed of the closing study"),
        ((TAUGHT, replace(TAUGHT, views=1, method=DKD())), Search(), "more than the method"),
    ],
)
def test_what_cannot_be_tuned_is_refused(recipes, search, message):
    with pytest.raises(UserError, match=message):
        Tuning(recipes, search)


def test_the_closing_study_has_the_defaults_the_tuned_and_what_is_beside():
    tuning = Tuning((TAUGHT,), Search(), (replace(TAUGHT, method=AT()),), (0, 1))
    methods = [row.method for row in tuning.closing(studies.search(1)).rows]
    assert methods == [Baseline(), KD(), KD(alpha=0.5), AT()]
