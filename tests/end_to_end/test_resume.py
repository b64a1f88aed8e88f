"""Stopped anywhere, by Ctrl-C, a crash or SIGKILL, a run ends in the bits and the book of the undisturbed one."""

import multiprocessing
import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from small import NORMED, TEACHER, same_tensors, taught, workspace
from tutelage import files
from tutelage.errors import UserError
from tutelage.methods import method_class
from tutelage.methods.crd import CRD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import TeacherSpec, method_at_defaults
from tutelage.training import book, step
from tutelage.training.hits import VAL_FILE
from tutelage.training.loop import train

FIT = Fit(epochs=3, batch_size=128, learning_rate=0.05)
KINDS = {
    "sgd": {},
    "adam": {"fit": replace(FIT, optimizer="adam", learning_rate=3e-3)},
    "dot": {
        "method": method_class("srrl")(),
        "fit": replace(FIT, optimizer="dot", learning_rate=0.02),
        "student": NORMED,
    },
    "average": {"fit": replace(FIT, ema=0.9, clip_norm=1.0), "student": NORMED},
    "memory bank": {"method": CRD(negatives=64)},
    "deployed adapters": {
        "method": method_class("simkd")(),
        "fit": replace(FIT, optimizer="adamw", learning_rate=3e-3),
    },
    "live features": {"method": method_class("fitnet")()},
    "composition": {"method": method_at_defaults("kd+rkd")},
}


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch):
    """Losses are written every 4 steps and at the end of an epoch of 10: stops fall into every part of a window."""
    monkeypatch.setattr(book, "LOG_EVERY", 4)


def result(run: Run):
    """Everything that an interruption must not change."""
    cost = run.result("cost")
    steps = {p.name for p in run.path.glob("checkpoints/step_*")}
    return {
        "metrics": run.metrics(),
        "evaluated": {name: cost[name] for name in ("images", "teacher_passes_saved", "best_val")},
        "card": run.result("card"),
        # Nothing half-written is left; one of the two checkpoints that stay is of the last stop. The logits on val are
        # kept by the process that made the last epoch, else by the first that asks for them.
        "files": sorted(
            str(p.relative_to(run.path)) for p in run.path.rglob("*") if not steps & set(p.parts) and p.name != VAL_FILE
        ),
        "checkpoints": (len(steps), max(steps)),
    }


def assert_same(run: Run, whole: Run):
    assert same_tensors(load_file(run.weights), load_file(whole.weights))
    assert result(run) == result(whole)


def steps_until(event, moment, monkeypatch):
    """Calls `event` at the end of the `moment`-th step of this process, before the loop looks at Ctrl-C."""
    made, note = [], book.Book.note

    def noted(book, step, terms):
        note(book, step, terms)
        made.append(step)
        if len(made) == moment:
            event()

    monkeypatch.setattr(book.Book, "note", noted)


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_anywhere(tmp_path, monkeypatch, kind):
    """After 7, 13 (a whole epoch and more), 23 and 24 steps."""
    recipe = taught(tmp_path, **KINDS[kind])
    whole = train(recipe, workspace(tmp_path / "whole"))
    for moment in (7, 6, 10, 1):
        with monkeypatch.context() as patch:
            steps_until(lambda: signal.raise_signal(signal.SIGINT), moment, patch)
            with pytest.raises(KeyboardInterrupt, match=r"stopped after step \d+ of 30"):
                train(recipe, workspace(tmp_path / "parts"))
    assert_same(train(recipe, workspace(tmp_path / "parts")), whole)


def test_ctrl_c_after_every_single_step(tmp_path, monkeypatch):
    recipe = taught(tmp_path, student=NORMED, fit=replace(FIT, epochs=2))
    whole = train(recipe, workspace(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        for number in range(1, 21):
            patch.undo()
            patch.setattr(book, "LOG_EVERY", 4)
            steps_until(lambda: signal.raise_signal(signal.SIGINT), 1, patch)
            with pytest.raises(KeyboardInterrupt, match=f"stopped after step {number} of 20"):
                train(recipe, workspace(tmp_path / "parts"))
    assert_same(train(recipe, workspace(tmp_path / "parts")), whole)


DROPOUT = """
from torch import nn

def make(*, classes, channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, classes))
"""


def test_dropout_is_drawn_by_the_step(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(DROPOUT)
    recipe = taught(tmp_path, student=Model(f"{tmp_path}/net.py:make"))
    whole = train(recipe, workspace(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        steps_until(lambda: signal.raise_signal(signal.SIGINT), 7, patch)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, workspace(tmp_path / "parts"))
    torch.rand(3)
    assert_same(train(recipe, workspace(tmp_path / "parts")), whole)


class Crash(Exception):
    """Something that nobody expects."""


@pytest.mark.parametrize("moment", [1, 4, 9, 10, 11, 29, 30])
def test_a_crash_anywhere(tmp_path, monkeypatch, moment):
    def crash():
        raise Crash

    recipe = taught(tmp_path)
    whole = train(recipe, workspace(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        steps_until(crash, moment, patch)
        with pytest.raises(Crash):
            train(recipe, workspace(tmp_path / "parts"))
    assert_same(train(recipe, workspace(tmp_path / "parts")), whole)


def test_a_second_ctrl_c_stops_at_once(tmp_path, monkeypatch):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    recipe, before = taught(tmp_path), signal.getsignal(signal.SIGINT)
    steps_until(twice, 5, monkeypatch)
    with pytest.raises(KeyboardInterrupt) as stopped:
        train(recipe, workspace(tmp_path / "runs"))
    assert str(stopped.value) == ""
    assert not list(tmp_path.glob("runs/*/checkpoints/step_*"))
    assert signal.getsignal(signal.SIGINT) is before


# --- SIGKILL: at a moment that is counted, not timed, so that every run of this test tries the same ones


def _train_and_die(recipe, runs, moment, told):
    """Counts steps, fsyncs and renames, and kills itself at one of them; tells how many there were if it survives."""
    torch.set_num_threads(1)
    counted = 0

    def watched(function):
        def call(*arguments):
            nonlocal counted
            counted += 1
            if counted == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.fsync = watched(os.fsync)
    Path.replace = watched(Path.replace)
    step.Step.__call__ = watched(step.Step.__call__)
    train(recipe, workspace(runs))
    told.put(counted)


def killed_at(recipe, runs, moment):
    """Events in a child process that survived, or None where it was killed."""
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    child = fork.Process(target=_train_and_die, args=(recipe, runs, moment, told))
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return told.get() if child.exitcode == 0 else None


@pytest.mark.parametrize("seed", [0, 1])
def test_sigkill_while_teacher_cache_and_student_are_made(tmp_path, seed):
    """From nothing to a student: the teacher is trained first, its answers are cached; killed five times on the way."""
    taught_first = TeacherSpec(TEACHER, tune="full", fit=replace(FIT, epochs=2))
    recipe = replace(taught(tmp_path), teacher=taught_first)
    events = killed_at(recipe, tmp_path / "whole", 0)
    whole = Run.of(recipe, tmp_path / "whole")
    assert events is not None
    chance, kills = random.Random(seed), 0
    while kills < 5:
        # Not further ahead than what is left is likely to hold: a run that survived would end the test early.
        moment = chance.randint(1, events // 4)
        if killed_at(recipe, tmp_path / "parts", moment) is None:
            kills += 1
        else:
            break
    assert kills >= 4
    parts = train(recipe, workspace(tmp_path / "parts"))
    assert_same(parts, whole)
    (own,) = recipe.of_teachers
    assert_same(Run.of(own, tmp_path / "parts"), Run.of(own, tmp_path / "whole"))
    answers = [
        {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("view_*/*.*")) if p.name[0] != "."}
        for root in (tmp_path / "parts", tmp_path / "whole")
    ]
    assert answers[0] == answers[1]


# --- what else may happen to a run


def test_a_finished_run_is_not_touched(tmp_path):
    recipe = taught(tmp_path)
    run = train(recipe, workspace(tmp_path / "runs"))
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in run.path.rglob("*")}
    assert train(recipe, workspace(tmp_path / "runs")) == run
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in run.path.rglob("*")} == before


def test_two_processes_do_not_train_the_same_run(tmp_path):
    recipe = taught(tmp_path)
    run = Run.of(recipe, tmp_path / "runs")
    with files.locked(run.path / "lock"), pytest.raises(UserError, match="another process trains"):
        train(recipe, workspace(tmp_path / "runs"))
    assert train(recipe, workspace(tmp_path / "runs")).done
