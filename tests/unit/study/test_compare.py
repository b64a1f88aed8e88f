"""Which runs can be compared, and in what their recipes differ."""

from dataclasses import replace

import pytest

from tutelage.errors import UserError
from tutelage.methods import DKD, KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study.compare import differences, groups

TAUGHT = Recipe(teacher=TeacherSpec(Model("resnet20", weights="")), method=KD())


@pytest.fixture
def runs(tmp_path):
    def made(*recipes, done=True):
        folders = []
        for recipe in recipes:
            run = Run.of(recipe, tmp_path)
            if done:
                (run.path / "DONE").touch()
            folders.append(run.path)
        return folders

    return made


def test_runs_are_grouped_by_recipe_up_to_the_seed_the_baseline_first(runs):
    seeds = [replace(TAUGHT, seed=seed) for seed in (0, 1)]
    found = groups(runs(*seeds, TAUGHT.as_baseline))
    assert [sorted(group.runs) for group in found] == [[0], [0, 1]]
    assert not found[0].recipe.taught_by


def test_the_same_run_named_twice_is_one(runs):
    folders = runs(TAUGHT, TAUGHT.as_baseline)
    assert [len(group.runs) for group in groups(folders * 2)] == [1, 1]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (replace(TAUGHT, views=3), "views is 8 and 3"),
        (replace(TAUGHT, fit=replace(TAUGHT.fit, epochs=99)), "fit.epochs is"),
        (replace(TAUGHT, augment=replace(TAUGHT.augment, crop_padding=1)), "augment.crop_padding is 4 and 1"),
    ],
    ids=["views", "epochs", "augment"],
)
def test_other_images_or_budgets_are_refused(other, field, runs):
    with pytest.raises(UserError, match="cannot be compared") as error:
        groups(runs(TAUGHT, other))
    assert field in error.value.message


def test_one_recipe_alone_and_unfinished_runs_are_refused(runs):
    with pytest.raises(UserError, match="nothing to compare"):
        groups(runs(TAUGHT, replace(TAUGHT, seed=1)))
    with pytest.raises(UserError, match="is not finished"):
        groups(runs(TAUGHT.as_baseline, replace(TAUGHT, seed=2), done=False))


def test_differences_are_told_by_field_in_the_order_of_the_recipes():
    found = differences([TAUGHT, replace(TAUGHT, method=KD(2.0), student=Model("resnet14"), seed=9)])
    assert found == [
        {"field": "student.name", "values": ["resnet8", "resnet14"]},
        {"field": "method.temperature", "values": [4.0, 2.0]},
    ]
    fields = {d["field"]: d["values"] for d in differences([TAUGHT, replace(TAUGHT, method=DKD())])}
    assert fields["method.name"] == ["kd", "dkd"]
    assert differences([TAUGHT, replace(TAUGHT, seed=4)]) == []
