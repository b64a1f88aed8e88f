"""What a command took: its whole time, what it trained itself, and nothing of what it found done."""

from dataclasses import replace

import pytest

import small
from tutelage import files, sealed
from tutelage.run.folder import Run
from tutelage.study import watch
from tutelage.study.watch import FILE, Watch


@pytest.fixture
def clock(monkeypatch):
    """Seconds on the clock, to be set."""
    now = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def train(recipe, runs, seconds):
    files.write_json(Run.of(recipe, runs).path / "cost.json", {"seconds": seconds})


def stop(recipe, runs, step, seconds):
    state = {"step": step, "seconds": seconds}
    files.write_json(Run.of(recipe, runs).path / "checkpoints" / f"step_{step:08d}" / "state.json", state)


def test_what_was_found_done_is_not_counted(tmp_path, clock):
    recipe = small.taught(tmp_path)
    done, new, partly = (replace(recipe, seed=seed) for seed in range(3))
    train(done, tmp_path, 50.0)
    stop(partly, tmp_path, 5, 7.0)
    stop(partly, tmp_path, 10, 12.0)
    command = Watch()
    command.look([done, new, partly], tmp_path)
    train(new, tmp_path, 20.0)
    command.look([new], tmp_path)
    train(partly, tmp_path, 30.0)
    clock[0] += 65.0
    assert command.line["seconds"] == 65.0, "from the first moment on"
    assert command.line["trained"] == {new.name: 20.0, partly.name: 18.0}


def test_a_teacher_that_has_to_be_trained_is_looked_at_too(tmp_path):
    recipe = small.taught(tmp_path)
    assert recipe.teacher is not None
    recipe = replace(recipe, teacher=replace(recipe.teacher, tune="full"))
    (own,) = recipe.of_teachers
    command = Watch()
    command.look([recipe], tmp_path)
    train(own, tmp_path, 9.0)
    assert command.line["trained"] == {own.name: 9.0}


def test_a_command_that_is_stopped_leaves_its_line_where_it_trained_something(tmp_path):
    recipe = small.taught(tmp_path)

    def stopped(*, trains: bool) -> None:
        command = Watch()
        command.look([recipe], tmp_path)
        with command.noting_a_stop(tmp_path / "study"):
            if trains:
                stop(recipe, tmp_path, 3, 4.0)
            raise KeyboardInterrupt

    for trains in (False, True):
        with pytest.raises(KeyboardInterrupt):
            stopped(trains=trains)
        assert len(files.read_lines(tmp_path / "study" / FILE)) == int(trains)


def test_a_damaged_record_is_named_and_put_aside(tmp_path, caplog):
    study = tmp_path / "study-x-0123abcd"
    for _ in range(2):
        Watch().note(study)
    assert len(sealed.read_lines(study / FILE, "study-0123abcd/commands.jsonl")) == 2
    written = (study / FILE).read_text()
    (study / FILE).write_text(written.replace("seconds", "secundi", 1))
    Watch().note(study)
    assert f"{study / FILE} is damaged" in caplog.text
    assert len(sealed.read_lines(study / FILE, "study-0123abcd/commands.jsonl")) == 1
    assert (study / "commands.damaged").exists()


def test_a_run_whose_cost_is_damaged_has_what_its_checkpoint_says(tmp_path):
    recipe = small.taught(tmp_path)
    run = Run.of(recipe, tmp_path)
    stop(recipe, tmp_path, 10, 12.0)
    run.keep("cost", {"seconds": 15.0})
    run.path.joinpath("cost.json").write_text("{")
    command = Watch()
    command.look([recipe], tmp_path)
    assert command.line["trained"] == {}
    run.keep("cost", {"seconds": 15.0})
    assert command.line["trained"] == {run.path.name: 3.0}


def test_a_run_in_a_folder_of_another_name_is_found(tmp_path):
    recipe = small.taught(tmp_path)
    train(recipe, tmp_path, 50.0)
    (tmp_path / recipe.name).rename(tmp_path / f"renamed-{recipe.hash}")
    command = Watch()
    command.look([recipe], tmp_path)
    train(recipe, tmp_path, 60.0)
    assert command.line["trained"] == {f"renamed-{recipe.hash}": 10.0}
