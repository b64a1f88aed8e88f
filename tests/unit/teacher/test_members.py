"""The teachers that a recipe names: found by file, by run, or trained first."""

from dataclasses import replace

import pytest

import small
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.run.recipe import TeacherSpec
from tutelage.teacher.members import held_out, load_member, teacher_model, trained_by


@pytest.fixture
def recipe(tmp_path):
    return small.taught(tmp_path)


def spec_of(run):
    return TeacherSpec(Model("convnet", weights=str(run.path)))


def test_a_file_of_weights_is_loaded_and_frozen(recipe, tmp_path):
    member = load_member(recipe, recipe.teacher, small.digits(), small.workspace(tmp_path))
    assert member.model == recipe.teacher.model
    assert not any(p.requires_grad for p in member.network.parameters())
    assert not member.network.training


def test_a_run_is_its_student_with_its_final_weights(recipe, finished_run, tmp_path):
    model = teacher_model(recipe, spec_of(finished_run), small.workspace(tmp_path))
    assert model == replace(finished_run.recipe.student, weights=str(finished_run.weights))


def test_what_is_not_there_says_what_to_do(recipe, tmp_path):
    with pytest.raises(UserError, match="has no weights") as error:
        teacher_model(recipe, TeacherSpec(Model("convnet")), small.workspace(tmp_path))
    assert 'teacher.tune = "full"' in error.value.hint
    with pytest.raises(UserError, match="is not finished"):
        teacher_model(recipe, TeacherSpec(small.TEACHER, tune="full"), small.workspace(tmp_path))


def test_a_teacher_trained_here_has_not_seen_val(recipe, finished_run):
    assert held_out(recipe, TeacherSpec(small.TEACHER, tune="full"))
    assert not held_out(recipe, recipe.teacher), "nobody knows what a file was trained on"
    assert held_out(recipe, spec_of(finished_run))
    other = replace(recipe, data=replace(recipe.data, val_share=0.3))
    assert not held_out(other, spec_of(finished_run)), "another split: some of its images were trained on"
    assert held_out(replace(recipe, data=replace(recipe.data, part=500)), spec_of(finished_run))


def test_the_run_that_made_the_weights_is_known(recipe, finished_run):
    assert trained_by(recipe, recipe.teacher) is None
    assert trained_by(recipe, spec_of(finished_run)) == finished_run.recipe
    first = TeacherSpec(small.TEACHER, tune="full")
    assert trained_by(recipe, first) == recipe.training_of(first)
