"""A teacher's stages: each begins at the first one's end; the cheapest that val does not show to be worse teaches."""

from dataclasses import replace

import pytest
import torch

import small
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study.stages import chosen, with_staged_teacher

KD = small.KD(temperature=4.0, alpha=0.9)


@pytest.fixture
def recipe(tmp_path):
    fit = Fit(epochs=1, batch_size=128, learning_rate=0.05)
    weights = small.weights(tmp_path / "teacher.safetensors", small.NORMED)
    spec = TeacherSpec(Model("resnet8", weights=str(weights)), tune="head", fit=fit)
    return Recipe(
        data=Data("digits"), student=small.STUDENT, teacher=spec, method=KD, fit=fit, augment=small.AUGMENT, views=1
    )


def answers(right, of=100):
    return (torch.arange(of) < right).bool()


def test_the_cheapest_teaches_unless_a_dearer_one_is_better_by_more_than_a_standard_error():
    assert chosen([answers(70), answers(71)]) == 0  # one image more: 0.01, standard error 0.01
    assert chosen([answers(70), answers(72)]) == 1  # 0.02 against 0.0141
    assert chosen([answers(70), answers(60), answers(80)]) == 2
    assert chosen([answers(80), answers(70)]) == 0
    assert chosen([answers(50)]) == 0


def test_each_stage_begins_at_the_head_s_end_and_one_of_them_teaches(recipe, tmp_path, capsys):
    workspace = small.workspace(tmp_path / "runs")
    staged = with_staged_teacher(recipe, ("head", "last_stage"), workspace)
    runs = {path.parent for path in (tmp_path / "runs").glob("*/DONE")}
    assert len(runs) == 2
    told = capsys.readouterr().err
    assert "its head trained: right on " in told
    assert "of 144 validation images" in " ".join(told.split())
    head = recipe.training_of(recipe.teacher)
    assert workspace.folder(head) in runs
    (later,) = runs - {workspace.folder(head)}
    begun = replace(recipe.teacher.model, weights=str(workspace.folder(head)))
    last = replace(recipe.teacher, tune="last_stage", norms="frozen", model=begun)
    assert workspace.folder(recipe.training_of(last)) == later
    assert staged.teacher in (recipe.teacher, last)
    assert replace(staged, teacher=recipe.teacher) == recipe


@pytest.mark.parametrize("stages", [("last_stage", "head"), ("head", "head")])
def test_stages_out_of_order(recipe, stages, tmp_path):
    with pytest.raises(UserError, match="each stage once"):
        with_staged_teacher(recipe, stages, small.workspace(tmp_path))


def test_a_teacher_that_is_not_trained(recipe, tmp_path):
    with pytest.raises(UserError, match="one teacher that is trained first"):
        with_staged_teacher(recipe.as_baseline, ("head",), small.workspace(tmp_path))
