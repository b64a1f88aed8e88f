"""A recipe by what a user names: built-in, a file, a run, a path to images."""

import json

import pytest

from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.run import recipe
from tutelage.run.builtin import RECIPES, built_in, read
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_built_in_name_is_a_whole_recipe(name):
    assert read(name) == built_in(name)
    assert built_in(name).method.needs <= {"logits"}
    assert built_in(name).taught_by


def test_files_and_runs_hold_recipes(tmp_path):
    chosen = Recipe(seed=7)
    (tmp_path / "mine.toml").write_text(recipe.to_toml(chosen))
    (tmp_path / "mine.json").write_text(json.dumps(chosen.to_dict()))
    run = Run.of(chosen, tmp_path)
    assert read(str(tmp_path / "mine.toml")) == read(str(tmp_path / "mine.json")) == read(str(run.path)) == chosen


def test_a_path_of_images_is_short_for_a_recipe(tmp_path):
    assert read(f"{tmp_path}/photos").data == Data(f"{tmp_path}/photos")
    assert read("photos.csv").teacher.tune == "head"


def test_a_name_that_is_nothing_is_told_with_the_nearest():
    with pytest.raises(UserError, match='unknown recipe "cifar1"') as error:
        read("cifar1")
    assert '"cifar10"' in error.value.hint


def test_a_folder_of_nearly_that_name_is_meant(tmp_path, monkeypatch):
    (tmp_path / "shapes").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='unknown recipe "shape"') as error:
        read("shape")
    assert 'did you mean "shapes"?' in error.value.hint
