"""One run on disk: found by its recipe, appended to, cut back to a checkpoint."""

import logging
import shlex
import sys

import pytest

from tutelage.errors import UserError
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, environment, logged, machine
from tutelage.run.recipe import Recipe


@pytest.fixture
def run(tmp_path):
    return Run.of(Recipe(), tmp_path)


def test_a_recipe_finds_its_own_folder_again(run, tmp_path):
    (run.path / "recipe.json").rename(run.path / "kept")
    (run.path / "kept").rename(run.path / "recipe.json")
    before = (run.path / "recipe.json").stat().st_mtime_ns
    assert Run.of(Recipe(), tmp_path) == run
    assert (run.path / "recipe.json").stat().st_mtime_ns == before, "written once"
    assert Run.open(run.path).recipe == Recipe()
    assert Run.of(Recipe(seed=1), tmp_path) != run


def test_a_folder_without_a_recipe_is_no_run(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        Run.open(tmp_path)


def test_where_the_files_were_is_no_loss(run, caplog):
    (run.path / "seen.json").write_bytes(b"\0" * 100)
    assert Run.open(run.path).recipe == Recipe()
    assert "seen.json is damaged" in caplog.text


def test_metrics_come_back_as_curves(run):
    run.log(10, "train", {"loss": 1.5, "label": 1.0})
    run.log(20, "train", {"loss": 1.25})
    run.log(20, "val", {"loss": 9.0})
    assert run.curve("train", "loss") == [(10, 1.5), (20, 1.25)]
    assert run.curve("val", "loss") == [(20, 9.0)]
    assert run.curve("val", "top1") == []
    assert len(run.metrics()) == 4


def test_what_will_be_made_again_is_forgotten(run):
    for step in (10, 20, 30):
        run.log(step, "val", {"top1": step / 100})
    run.forget_after(20)
    assert run.curve("val", "top1") == [(10, 0.1), (20, 0.2)]
    run.forget_after(20)
    run.forget_after(0)
    assert run.metrics() == []


def test_a_result_is_there_or_none(run):
    assert run.result("cost") is None
    run.keep("cost", {"seconds": 1.5})
    assert run.result("cost") == {"seconds": 1.5}
    assert not run.done
    (run.path / "DONE").touch()
    assert run.done


def test_the_log_of_a_run_holds_what_was_logged_inside(run):
    log = logging.getLogger("tutelage")
    log.setLevel(logging.INFO)
    log.info("before")
    with logged(run):
        log.info("inside")
    log.info("after")
    (line,) = (run.path / "log.txt").read_text().splitlines()
    assert line.endswith(" inside")


def test_the_environment_says_how_to_do_it_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/tutelage", "train", "my recipe.toml"])
    told = environment(Engine(device="cpu"))
    assert shlex.split(told["command"]) == ["tutelage", "train", "my recipe.toml"]
    assert told["engine"]["device"] == "cpu"
    assert set(told["versions"]) >= {"tutelage", "torch"}
    assert told["machine"] == machine()
    assert machine()["processor"]
