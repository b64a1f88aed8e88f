"""`--log`: every line of metrics.jsonl is sent once, whatever happens between."""

import importlib.machinery
import sys
import threading
import types

import pytest

from tutelage import files, sealed
from tutelage.cli.tracking import TRACKERS, Sending, follow, following
from tutelage.errors import UserError

SECRET = "hf_a-token"


def lines(*steps: int) -> list[dict]:
    return [{"step": step, "split": "val", "name": name, "value": step / 10} for step in steps for name in ("a", "b")]


@pytest.fixture
def run(tmp_path):
    files.write_json(tmp_path / "run" / "recipe.json", {"teacher": {"weights": "/home/ann/teacher.pth"}, "seed": 0})
    return tmp_path / "run"


@pytest.fixture
def sent(monkeypatch):
    """What a tracker in memory received, and how often a run of it was closed."""
    got: list = []
    monkeypatch.setitem(
        TRACKERS,
        "tensorboard",
        lambda run: Sending(lambda *told: got.append(told), lambda: got.append(f"closed {run.name}")),
    )
    return got


def test_what_is_written_while_it_goes_on_is_sent_once(run, sent):
    with following("tensorboard", [run, run.parent / "never begun"]):
        files.append_lines(run / "metrics.jsonl", lines(1, 2))
    assert sent == [(1, {"val/a": 0.1, "val/b": 0.1}), (2, {"val/a": 0.2, "val/b": 0.2}), "closed run"]
    # A resumed run forgets what it will write again.
    (run / "metrics.jsonl").unlink()
    files.append_lines(run / "metrics.jsonl", lines(1))
    with following("tensorboard", [run]):
        files.append_lines(run / "metrics.jsonl", lines(2, 3))
        (run / "metrics.jsonl").open("a").write('{"step": 4, "spl')
    assert sent[3:] == [(3, {"val/a": 0.3, "val/b": 0.3}), "closed run"]


def test_a_run_that_ends_while_it_is_sent_is_opened_once(run, monkeypatch):
    opened = []

    def slow(folder):
        opened.append(folder)
        files.append_lines(folder / "metrics.jsonl", lines(2))
        (folder / "DONE").touch()
        return Sending(lambda *told: None, lambda: None)

    monkeypatch.setitem(TRACKERS, "tensorboard", slow)
    files.append_lines(run / "metrics.jsonl", lines(1))
    follow("tensorboard", [run], Twice())
    assert opened == [run]
    assert sealed.read_json(run / "sent-tensorboard.json") == {"lines": 4}


class Twice(threading.Event):
    """Set by the first wait: what follows looks twice."""

    def wait(self, timeout=None):
        self.set()
        return True


def test_a_tracker_that_fails_stops_nothing_and_tells_no_secret(run, monkeypatch, caplog):
    def refuses(run):
        raise ConnectionError(f"https://host/?token={SECRET}")

    monkeypatch.setitem(TRACKERS, "tensorboard", refuses)
    with following("tensorboard", [run]):
        files.append_lines(run / "metrics.jsonl", lines(1))
    assert "ConnectionError" in caplog.text
    assert SECRET not in caplog.text


def test_a_package_that_is_missing(run, monkeypatch):
    monkeypatch.setattr("tutelage.cli.tracking.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="--log wandb") as told, following("wandb", [run]):
        pass
    assert told.value.hint == "pip install 'tutelage[wandb]'"


def test_none_sends_nothing(run):
    with following("none", [run]):
        files.append_lines(run / "metrics.jsonl", lines(1))
    assert sorted(path.name for path in run.iterdir()) == ["metrics.jsonl", "recipe.json"]


def test_tensorboard_holds_the_lines(run):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with following("tensorboard", [run]):
        files.append_lines(run / "metrics.jsonl", lines(1, 2))
    events = reader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [(event.step, round(event.value, 6)) for event in events.Scalars("val/a")] == [(1, 0.1), (2, 0.2)]


def test_mlflow_holds_the_lines(run, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{run}/mlflow.db")
    with following("mlflow", [run]):
        files.append_lines(run / "metrics.jsonl", lines(1, 2))
    client = mlflow.MlflowClient()
    (told,) = client.search_runs([client.get_experiment_by_name("tutelage").experiment_id])
    assert told.info.status == "FINISHED"
    history = client.get_metric_history(told.info.run_id, "val/a")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.1), (2, 0.2)]


class Recorder:
    """Stands for a tracker's package: remembers calls, answers with itself."""

    def __init__(self, name: str = "", calls: list | None = None):
        self.name, self.calls = name, [] if calls is None else calls
        self.experiment_id = self.run_id = "7"

    @property
    def info(self):
        return self

    def __getattr__(self, name):
        return Recorder(name, self.calls)

    def __call__(self, *given, **named):
        self.calls.append((self.name, given, named))
        if self.name == "init":
            print(f"* open https://host/?write_token={SECRET}")
        return [] if self.name == "search_runs" else self


@pytest.mark.parametrize(("tracker", "sends"), [("wandb", "log"), ("trackio", "log"), ("mlflow", "log_metric")])
def test_the_others_receive_step_names_and_values(tracker, sends, run, monkeypatch, capsys):
    recorder = Recorder()
    module = types.ModuleType(tracker)
    module.__spec__ = importlib.machinery.ModuleSpec(tracker, None)
    for name in ("init", "Settings", "MlflowClient"):
        setattr(module, name, getattr(recorder, name))
    monkeypatch.setitem(sys.modules, tracker, module)
    with following(tracker, [run]):
        files.append_lines(run / "metrics.jsonl", lines(3))
    told = [(given, named) for name, given, named in recorder.calls if name == sends]
    if tracker == "mlflow":
        assert told == [(("7", "val/a", 0.3), {"step": 3}), (("7", "val/b", 0.3), {"step": 3})]
    else:
        assert told == [(({"val/a": 0.3, "val/b": 0.3},), {"step": 3})]
        (config,) = [named["config"] for name, _, named in recorder.calls if name == "init"]
        assert config["teacher"]["weights"] == "teacher.pth"
    assert recorder.calls[-1][0] in ("finish", "set_terminated")
    out, err = capsys.readouterr()
    assert tracker != "trackio" or SECRET not in out + err
    assert sealed.read_json(run / f"sent-{tracker}.json") == {"lines": 2}
