"""Files of every kind, damaged at random: none is used. `benchmarks/damage.py` is the same with more trials."""

import logging
import os
import shutil

import pytest

import damage
import small
from tutelage.run import checkpoint
from tutelage.run.workspace import Workspace
from tutelage.study.study import Study
from tutelage.training.loop import train


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("world")
        patch.setenv("TUTELAGE_CACHE", str(folder / "photo-cache"))
        yield damage.made(folder)


@pytest.fixture(scope="module")
def truths():
    """What each reader says of undamaged files, by reader."""
    return {}


@pytest.mark.parametrize("name", damage.KINDS)
def test_no_damage_is_silent_or_a_traceback(world, truths, name, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(world.photo_cache))
    kind = damage.KINDS[name]
    if kind.read not in truths:
        truths[kind.read] = damage.truth_of(world, kind)
    drawn = damage.random.Random(name)
    ends = [damage.trial(world, kind, truths[kind.read], how, drawn) for how in damage.HOW]
    assert set(ends) <= {"made again", "named", "unchanged"}
    assert len([end for end in ends if end != "unchanged"]) >= 4


def test_the_damaged_checkpoint_is_named_and_the_one_before_it_is_used(tmp_path, caplog):
    recipe = small.taught(tmp_path)
    whole = train(recipe, small.workspace(tmp_path / "whole")).weights.read_bytes()
    run = train(recipe, small.workspace(tmp_path / "again"))
    (run.path / "DONE").unlink()
    path = run.checkpoints.folder / "step_00000030" / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 2
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert train(recipe, small.workspace(tmp_path / "again")).weights.read_bytes() == whole
    assert f"{path} is damaged: its content is not what its seal says" in caplog.text
    assert checkpoint.list_steps(run.checkpoints.folder) == [20, 30]


def test_a_run_of_a_version_without_seals_goes_on(tmp_path):
    """Its checkpoints, card and results are read as they are."""
    from safetensors.torch import load_file, save_file

    from tutelage import files, sealed

    recipe = small.taught(tmp_path)
    whole = train(recipe, small.workspace(tmp_path / "runs"))
    student, card = whole.weights.read_bytes(), whole.result("card")
    for path in whole.path.rglob("*.json"):
        files.write_json(path, sealed.read_json(path))
    for path in (*whole.checkpoints.folder.glob("*/*.safetensors"), whole.path / "val_logits.safetensors"):
        save_file(load_file(path), path)
    for path in whole.path.rglob("state.json"):
        files.write_json(path, {key: value for key, value in files.read_json(path).items() if key != "copies"})
    (whole.path / "DONE").write_bytes(b"")
    (whole.path / "seen.json").unlink()
    again = train(recipe, small.workspace(tmp_path / "runs"))
    assert (again.path, again.title, again.result("card")) == (whole.path, "", card)
    again.weights.unlink()
    (again.path / "DONE").unlink()
    assert train(recipe, small.workspace(tmp_path / "runs")).weights.read_bytes() == student


def test_what_killed_processes_left_is_swept_and_what_a_living_one_writes_is_not(world, tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "photo-cache"))
    shutil.copytree(world.photo_cache, tmp_path / "photo-cache")
    runs = tmp_path / "runs"
    shutil.copytree(world.runs, runs)
    run, cache = Workspace(runs).folder(world.recipe), next((runs / "teacher-cache").glob("v1-*/view_0001")).parent
    dead = "999999999-0123abcd.tmp"  # no system numbers processes so high
    left = [run / ".export-x1y2.tmp", run / f".card.json.{dead}", cache / "view_0000" / f".logits.npy.{dead}",
            runs / world.study.name / f".results.json.{dead}",
            tmp_path / "photo-cache" / f".pixels-0123.{dead}"]  # fmt: skip
    for path in left:
        path.mkdir() if "export" in path.name or "pixels" in path.name else path.touch()
    living = run / f".recipe.json.{os.getppid()}-0123abcd.tmp"
    living.touch()
    damage._answered(world, runs)
    damage._pictures(world, tmp_path / "photo-cache")
    Study.open(runs / world.study.name).run(small.workspace(runs))
    assert [path for path in left if path.exists()] == []
    assert living.exists()


def test_what_seals_cost_is_measured(world, tmp_path):
    """With few images: that the benchmark's measuring runs, not how long it takes."""
    costs = damage.cost(tmp_path, images=50, views=2)
    assert len(costs) == 5
    assert all(milliseconds >= 0 for milliseconds in costs.values())
    (runs,) = damage.shares(world, tmp_path, None, runs=1, epochs=1).values()
    assert 0 < runs[0][0] < 1 < 1000 * runs[0][1]
