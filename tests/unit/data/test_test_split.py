"""The one door to the test split: nothing is read without a record, and nothing at all inside training."""

from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

import peeking
import small
import tutelage
from imports import Package
from tutelage import files
from tutelage.data import DATASETS, Data, load, sources, test_split
from tutelage.errors import UserError
from tutelage.study.tune import Search, Tuning
from tutelage.training import launch, preflight, rehearsal
from tutelage.training.loop import train

SOURCE = Path(tutelage.__file__).parent
PACKAGE = Package(SOURCE, tutelage._PUBLIC)
DOOR = "tutelage.data.test_split"


def test_an_opening_is_on_record_before_the_images_are_read(tmp_path, monkeypatch):
    ledger = tmp_path / "study" / "test_openings.jsonl"
    data = load(Data("digits"))
    read, seen = sources.read_test, []

    def spy(name, root):
        seen.append(test_split.openings(ledger))
        return read(name, root)

    monkeypatch.setattr(sources, "read_test", spy)
    test = test_split.open_test(data, ledger, run="digits-kd-s1", reason="the study's report")
    assert len(test) == DATASETS["digits"].test
    assert [(o["run"], o["reason"]) for o in seen[0]] == [("digits-kd-s1", "the study's report")]
    assert datetime.fromisoformat(seen[0][0]["time"]).utcoffset().total_seconds() == 0


def test_an_opening_that_fails_is_on_record_too(tmp_path, monkeypatch):
    ledger = tmp_path / "test_openings.jsonl"
    data = load(Data("digits"))

    def broken(*args, **kwargs):
        raise UserError("the file is gone")

    monkeypatch.setattr(sources, "read_test", broken)
    with pytest.raises(UserError, match="gone"):
        test_split.open_test(data, ledger, run="a", reason="b")
    assert len(test_split.openings(ledger)) == 1


def test_openings_are_kept_in_order(tmp_path):
    ledger = tmp_path / "test_openings.jsonl"
    assert test_split.openings(ledger) == []
    data = load(Data("digits"))
    for i in range(3):
        test_split.open_test(data, ledger, run=f"run {i}", reason="report")
    assert [o["run"] for o in test_split.openings(ledger)] == ["run 0", "run 1", "run 2"]


def test_no_reason_no_images(tmp_path):
    ledger = tmp_path / "test_openings.jsonl"
    with pytest.raises(UserError, match="reason is empty"):
        test_split.open_test(load(Data("digits")), ledger, run="a", reason=" ")
    assert not ledger.exists()


def test_no_record_no_images(tmp_path, monkeypatch):
    data = load(Data("digits"))
    monkeypatch.setattr(sources, "read_test", lambda *args, **kwargs: pytest.fail("read without a record"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot record the opening"):
        test_split.open_test(data, tmp_path / "file" / "test_openings.jsonl", run="a", reason="b")


# --- when the door is shut


@pytest.fixture(params=peeking.WAYS, ids=lambda way: way.__name__)
def peeks(request, tmp_path):
    """A function that is called in somebody's place, and tries to see the test split."""
    return lambda *args, **kwargs: request.param(small.digits(), tmp_path / "ledger.jsonl")


def recipe(folder):
    return small.taught(folder, fit=small.Fit(epochs=1, batch_size=256))


def test_inside_training_it_is_shut(peeks, tmp_path, monkeypatch):
    monkeypatch.setattr("tutelage.training.session.measure", peeks)
    with pytest.raises(UserError, match=r"tried to open the test split inside a training run\n"):
        train(recipe(tmp_path), small.workspace(tmp_path))
    assert not (tmp_path / "ledger.jsonl").exists()


def test_inside_a_process_of_training_it_is_shut(peeks, tmp_path, monkeypatch):
    """Where there are several devices, what `train` has shut does not reach the processes that it starts."""
    monkeypatch.setattr("tutelage.training.launch.Run.open", peeks)
    monkeypatch.delattr("os.setpgid")  # this process stays in its group
    with pytest.raises(UserError, match=r"tried to open the test split inside a process of a training run\n"):
        launch._InAProcess(partial(launch._on_run, print))(small.CPU.fabric(), tmp_path, tmp_path, None, {})


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ("tutelage.training.session.measure", "a training run, inside a search"),
        ("tutelage.study.tune._val", "a search"),
    ],
    ids=["in the run of a trial", "in a trial"],
)
def test_inside_a_search_it_is_shut(place, inside, peeks, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(place, peeks)
    with pytest.raises(UserError, match=rf"tried to open the test split inside {inside}\n"):
        Tuning((recipe(tmp_path),), Search(trials=1), seeds=(0, 1)).search_trials(small.workspace(tmp_path))
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("place", "check"),
    [
        ("rehearsal.build_for", lambda r, runs: rehearsal.rehearse(r, workspace=small.workspace(runs))),
        ("preflight.in_words", lambda r, runs: preflight.before_training(r, small.workspace(runs))),
        ("preflight.measure", lambda r, runs: preflight.look(r, small.digits(), small.workspace(runs))),
    ],
    ids=["trial", "before_training", "look"],
)
def test_inside_the_check_before_training_it_is_shut(place, check, peeks, tmp_path, monkeypatch):
    monkeypatch.setattr(f"tutelage.training.{place}", peeks)
    with pytest.raises(UserError, match=r"tried to open the test split inside the check before a training run"):
        check(recipe(tmp_path), tmp_path)
    assert not (tmp_path / "ledger.jsonl").exists()


def test_the_message_says_who_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tutelage.training.session.measure", lambda *_: peeking.by_an_alias(small.digits(), tmp_path / "l")
    )
    with pytest.raises(UserError, match=r"^peeking tried to open the test split inside a training run\n"):
        train(recipe(tmp_path), small.workspace(tmp_path))


def test_afterwards_the_door_opens_as_before(tmp_path):
    train(recipe(tmp_path), small.workspace(tmp_path))
    assert len(peeking.by_an_alias(small.digits(), tmp_path / "ledger.jsonl")) == DATASETS["digits"].test
    with pytest.raises(UserError, match=r"only tutelage.data.test_split reads"):
        peeking.by_its_reader(small.digits(), tmp_path / "ledger.jsonl")


def test_openings_are_counted_by_what_was_opened(tmp_path):
    """Of photos by their contents: under another name, in another place and size, and for a part of the training."""
    ledger = tmp_path / "test_openings.jsonl"
    files.append_line(ledger, {"time": "2026-01-01T00:00:00+00:00", "run": "old", "reason": "before names were kept"})
    one, other = small.photos(tmp_path / "one"), small.photos(tmp_path / "other", images=21)
    sets = [load(Data("digits")), load(Data("digits", part=100)), load(Data(f"{one}")), load(Data(f"{other}"))]
    for number, dataset in enumerate(sets):
        test_split.open_test(dataset, ledger, run=f"run {number}", reason="report")
    one.rename(tmp_path / "moved")
    moved = load(Data(f"{tmp_path / 'moved'}", size=8, part=9))
    counted = [test_split.openings_of(dataset, ledger) for dataset in (sets[0], moved, sets[3])]
    assert [[line["run"] for line in of.known] for of in counted] == [["run 0", "run 1"], ["run 2"], ["run 3"]]
    assert all([line["run"] for line in of.unnamed] == ["old"] for of in counted)
    assert [line.get("data") for line in test_split.openings(ledger)] == [None, "digits", "digits", "one", "other"]
