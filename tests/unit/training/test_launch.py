"""Who works on a run: one command at a time, on what is not done."""

import pytest

import small
from tutelage import files
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.run.recipe import Recipe
from tutelage.training.launch import in_all_processes

RECIPE = Recipe(data=Data("digits"))


def working(seen):
    def work(fabric, run, workspace):
        seen.append((fabric.world_size, run.path.name, workspace.runs))
        with files.locked(run.path / "lock") as alone:
            assert not alone

    return work


def test_the_work_is_done_under_the_runs_lock(tmp_path):
    seen = []
    run = in_all_processes(working(seen), RECIPE, small.workspace(tmp_path))
    assert seen == [(1, RECIPE.name, tmp_path)]
    with files.locked(run.path / "lock") as alone:
        assert alone


def test_another_command_at_it_is_named(tmp_path):
    run = in_all_processes(working([]), RECIPE, small.workspace(tmp_path))
    with files.locked(run.path / "lock"), pytest.raises(UserError, match="another process trains"):
        in_all_processes(working([]), RECIPE, small.workspace(tmp_path))


def test_nothing_is_done_twice_and_what_is_damaged_is(tmp_path, caplog):
    seen = []
    run = in_all_processes(working(seen), RECIPE, small.workspace(tmp_path))
    run.finish(7)
    in_all_processes(working(seen), RECIPE, small.workspace(tmp_path))
    assert len(seen) == 2, "student.safetensors is not there"
    assert not run.done
    assert "it is made again" in caplog.text
