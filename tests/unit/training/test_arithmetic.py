"""How a processor computes is decided once for all runs that are compared, and kept."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import sealed
from tutelage.data import Data
from tutelage.methods.dkd import DKD
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training import arithmetic
from tutelage.training.loop import steps_taken, train
from tutelage.training.ways import Way


@pytest.fixture
def recipe():
    return Recipe(data=Data("digits", part=128), student=small.STUDENT, augment=small.AUGMENT, fit=Fit(2, 64), views=2)


@pytest.fixture
def choices(monkeypatch):
    """What is chosen next; without one nothing may be measured."""
    waiting = []
    monkeypatch.setattr(arithmetic, "choose", lambda *_: (waiting.pop(0), []))
    return waiting


def workspace(folder, **engine):
    return Workspace(folder, engine=Engine(device="cpu", **engine))


def decided(recipe, where):
    return arithmetic.decided(recipe, Run.of(recipe, where.runs), where, steps_taken)


def test_runs_that_are_compared_share_the_choice(tmp_path, recipe, choices):
    where = workspace(tmp_path)
    choices += [Way("bf16", 1)]
    taught = replace(small.taught(tmp_path), **{name: getattr(recipe, name) for name in arithmetic.PAIRED})
    for run in (recipe, replace(recipe, seed=3), taught, replace(taught, method=DKD())):
        assert decided(run, where) == Engine("cpu", precision="bf16", threads=1)


def test_another_student_is_measured_anew(tmp_path, recipe, choices):
    choices += [Way("fp32", 2), Way("bf16", 1)]
    assert decided(recipe, workspace(tmp_path)).precision == "fp32"
    assert decided(replace(recipe, student=small.TEACHER), workspace(tmp_path)).precision == "bf16"


def test_a_run_goes_on_as_it_began_whatever_is_beside_it(tmp_path, recipe, choices):
    run = Run.of(recipe, tmp_path)
    before = {"device": "cpu", "engine": {"precision": "bf16"}, "machine": {"threads": 1}}
    run.keep("environment", before)
    assert decided(recipe, workspace(tmp_path)) == Engine("cpu", precision="bf16", threads=1)
    run.keep("environment", before | {"machine": {"threads": 10_000}})
    assert decided(recipe, workspace(tmp_path)).threads < 10_000


def test_runs_of_before_the_choice_was_kept_count(tmp_path, recipe, choices):
    train(recipe, workspace(tmp_path, precision="fp32", threads=1))
    for file in (tmp_path / "arithmetic").glob("*"):
        file.unlink()
    assert decided(replace(recipe, seed=1), workspace(tmp_path)) == Engine("cpu", precision="fp32", threads=1)


def test_what_is_said_on_the_command_line_goes_first(tmp_path, recipe, choices):
    choices += [Way("bf16", 2)]
    assert decided(recipe, workspace(tmp_path, threads=1)) == Engine("cpu", precision="bf16", threads=1)
    choices += [Way("bf16", 2)]
    assert decided(recipe, workspace(tmp_path, precision="fp32")) == Engine("cpu", precision="fp32", threads=2)


def test_a_damaged_choice_is_made_again(tmp_path, recipe, choices, caplog):
    choices += [Way("fp32", 1), Way("bf16", 1)]
    decided(recipe, workspace(tmp_path))
    (file,) = (tmp_path / "arithmetic").glob("*.json")
    file.write_text(file.read_text().replace("fp32", "bf16"))
    assert decided(recipe, workspace(tmp_path)).precision == "bf16"
    assert "it is decided again" in caplog.text
    assert sealed.read_json(file)["precision"] == "bf16"


def test_several_processes_and_compiled_steps_are_left_to_torch(tmp_path, recipe, choices):
    for engine in ({"devices": 2}, {"compile": True}):
        where = workspace(tmp_path, **engine)
        assert decided(recipe, where) == replace(where.engine, precision="fp32")


def test_measuring_leaves_the_run_its_bits_and_the_process_its_threads(tmp_path, recipe):
    before = torch.get_num_threads()
    chosen = train(recipe, workspace(tmp_path / "chosen"))
    given = train(recipe, workspace(tmp_path / "given", precision="fp32", threads=1))
    assert torch.get_num_threads() == before
    assert small.same_tensors(load_file(chosen.weights), load_file(given.weights))
    environment = chosen.result("environment")
    assert (environment["engine"]["precision"], environment["machine"]["threads"]) == ("fp32", 1)


def test_losses_are_those_of_the_same_images_in_every_way(tmp_path, recipe):
    measure = arithmetic._measurement(recipe, workspace(tmp_path), steps_taken)
    exact, half = (measure(Way(precision, 1), 5) for precision in ("fp32", "bf16"))
    assert half.losses != exact.losses
    assert half.agrees(exact)
    assert measure(Way("fp32", 1), 5).losses[:2] == exact.losses[:2]
