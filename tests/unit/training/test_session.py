"""The parts of a run between two steps: set up anew or from the last checkpoint, validated, handed over."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import small
from tutelage.errors import UserError
from tutelage.run.conditions import of_run
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, environment
from tutelage.run.optim import Fit
from tutelage.run.process import Process
from tutelage.training import session as session_module
from tutelage.training.session import set_up

FIT = Fit(epochs=2, batch_size=256, learning_rate=0.05)


@pytest.fixture
def begun(tmp_path):
    """Sets a recipe's run up, as `train` does."""
    recipe = small.taught(tmp_path, fit=FIT, views=1)

    def session(**changes):
        run = Run.of(replace(recipe, **changes), tmp_path / "runs")
        return set_up(Engine(device="cpu", threads=1).fabric(), run, small.workspace(tmp_path / "runs"))

    return session


def stepped(session, step):
    sample, view = session.plan.addresses(step, 0, 1)
    terms = session.take_step(step, session.images.view(sample, view, session.recipe.augment))
    session.stepped(step, terms)
    return terms


def test_a_run_begins_at_step_0_with_its_teachers_answers_paid(begun):
    session = begun()
    assert session.book.next_step == 0
    assert session.book.state["paid"] == len(session.dataset.train)
    assert (session.run.path / "environment.json").is_file()
    assert begun().book.state["paid"] == 0, "they are there the second time"


def test_it_goes_on_from_the_last_checkpoint_in_the_same_bits(begun):
    session = begun()
    stepped(session, 0)
    session.save(1)
    again = begun()
    assert again.book.next_step == 1
    assert small.same_tensors(again.student.network.state_dict(), session.student.network.state_dict())
    one, other = stepped(session, 1), stepped(again, 1)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_scales_fp16s_gradients_is_kept(begun, monkeypatch):
    scalers = [torch.amp.GradScaler("cpu", init_scale=scale) for scale in (8.0, 1.0)]
    session = begun()
    monkeypatch.setattr(session_module, "_scaler", lambda fabric: scalers[0])
    session.save(1)
    monkeypatch.setattr(session_module, "_scaler", lambda fabric: scalers[1])
    again = begun()
    assert scalers[1].state_dict() == scalers[0].state_dict()
    assert "scaler" not in again.book.state


def test_a_checkpoint_is_due_after_some_minutes(begun, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(session_module.time, "monotonic", lambda: now)
    session = begun()
    session.save_every = 2.0
    now += 119
    assert session.agreed(0) == (0, False)
    now += 2
    assert session.agreed(0) == (0, True)
    stepped(session, 0)
    session.save(1)
    assert session.agreed(0) == (0, False)


def test_processes_agree_on_a_signal_of_any_and_on_the_first_ones_clock(begun):
    session = begun()
    session.take_step = SimpleNamespace(process=SimpleNamespace(everyone=lambda number: [number, 2 * 15 + 1]))
    assert session.agreed(0) == (15, False)
    assert session.agreed(2) == (15, False)
    session.save_every = -1.0
    assert session.agreed(0) == (15, True)


def test_processes_that_see_other_folders_are_refused(tmp_path):
    process = Process(world=2, everyone=lambda step: [step, 7])
    with pytest.raises(UserError, match=r"process 0 finds step 3 of .*, process 1 finds step 7"):
        session_module._check_alike(Run(tmp_path), process, 3)


def test_an_average_follows_every_step_and_becomes_the_result(begun):
    session = begun(fit=replace(FIT, ema=0.5))
    steps = []
    for step in (0, 1):
        stepped(session, step)
        steps.append(session.student.network.fc2.weight.detach().clone())
    average = session.average.module.student.network.fc2.weight
    torch.testing.assert_close(average, (steps[0] + steps[1]) / 2)
    assert not torch.equal(steps[0], steps[1])
    assert "average" in session.kept


def test_validation_leaves_the_student_learning(begun):
    session = begun()
    stepped(session, 0)
    session.validate(1)
    assert session.student.training
    assert session.val_logits.shape == (len(session.dataset.val), 10)
    assert session.run.curve("val", "top1")[0][0] == 1


def test_only_what_learns_is_in_a_checkpoint(begun):
    session = begun()
    session.save(0)
    (folder,) = (session.run.path / "checkpoints").iterdir()
    assert {"student.safetensors", "adapters.safetensors", "optimizer.safetensors", "state.json"} <= {
        path.name for path in folder.iterdir()
    }


def test_a_done_run_has_everything_that_later_commands_read(begun):
    session = begun()
    stepped(session, 0)
    session.validate(1)
    session.hand_over()
    names = {path.name for path in session.run.path.iterdir()}
    assert names >= {"student.safetensors", "card.json", "cost.json", "val_logits.safetensors", "DONE"}
    (use,) = [use for cache in session.lesson.caches for use in cache.files.uses()]
    assert use["run"] == session.run.path.name


def test_a_run_that_goes_on_under_other_conditions_remembers_the_first(tmp_path):
    run, engine = Run.of(small.taught(tmp_path), tmp_path), Engine(device="cpu", threads=1)
    first, other = environment(engine), environment(engine)
    first["machine"]["threads"], other["machine"]["threads"] = 1, 8
    for now in (first, first, other):
        session_module._write_environment(run, now, gone_on=True)
    assert [told["threads"] for told in of_run(run)] == ["8", "1"]
    session_module._write_environment(run, first, gone_on=True)
    assert [told["threads"] for told in of_run(run)] == ["1", "8"], "the steps in between were made on eight"
    session_module._write_environment(run, other, gone_on=False)
    assert [told["threads"] for told in of_run(run)] == ["8"], "begun anew"
    (run.path / "environment.json").write_text("{")
    session_module._write_environment(run, first, gone_on=True)
    assert [told["threads"] for told in of_run(run)] == ["1"], "what a damaged one said is lost"
