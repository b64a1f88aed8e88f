"""Sends what runs write into metrics.jsonl to a tracker too (`--log`). The file stays the source: a thread follows it.

Training knows nothing of trackers, and a tracker that fails stops no training. What was sent is remembered as a number
of lines beside the run: a resumed run writes the same lines again, so each is sent once.
"""

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tutelage import files, sealed
from tutelage.errors import UserError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
PROJECT = "tutelage"
Tracker = Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]


class Sending(NamedTuple):
    """An open run of a tracker."""

    send: Callable[[int, dict[str, float]], Any]
    """Takes the step and values by name ("val/top1")."""
    close: Callable[[], Any]


def _tensorboard(run: Path) -> Sending:
    """Event files in the run's folder; `tensorboard --logdir RUNS` shows all runs."""
    from lightning_fabric.loggers import TensorBoardLogger

    logger = TensorBoardLogger(run, name="", version="tensorboard")
    return Sending(lambda step, values: logger.log_metrics(values, step), lambda: logger.finalize("success"))


def _wandb(run: Path) -> Sending:
    wandb: Any = importlib.import_module("wandb")

    settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False)
    settings_of_run = {"project": PROJECT, "id": run.name, "name": run.name, "config": _config(run), "dir": str(run)}
    tracked = wandb.init(**settings_of_run, resume="allow", reinit="create_new", settings=settings)
    return Sending(lambda step, values: tracked.log(values, step=step), tracked.finish)


def _mlflow(run: Path) -> Sending:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow: Any = importlib.import_module("mlflow")

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PROJECT)
    number = experiment.experiment_id if experiment else client.create_experiment(PROJECT)
    found = client.search_runs([number], f"attributes.run_name = '{run.name}'")
    id_ = (found[0] if found else client.create_run(number, run_name=run.name)).info.run_id

    def send(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            client.log_metric(id_, name, value, step=step)

    return Sending(send, lambda: client.set_terminated(id_))


def _trackio(run: Path) -> Sending:
    trackio: Any = importlib.import_module("trackio")

    # What it prints holds a link with a token in it.
    with contextlib.redirect_stdout(io.StringIO()):
        tracked = trackio.init(project=PROJECT, name=run.name, config=_config(run), resume="allow", embed=False)

    def close() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            tracked.finish()

    return Sending(lambda step, values: tracked.log(values, step=step), close)


TRACKERS = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow, "trackio": _trackio}


@contextmanager
def following(tracker: Tracker, runs: list[Path]) -> Generator[None]:
    """While the block runs, what these runs write is sent to a tracker; "none" sends nothing.

    Args:
        tracker: One of TRACKERS.
        runs: Folders, that need not exist yet.

    Raises:
        UserError: the tracker's package is not installed.
    """
    if tracker == "none":
        yield
        return
    if importlib.util.find_spec(tracker) is None:
        raise UserError(f"--log {tracker} needs a package that is not there", f"pip install 'tutelage[{tracker}]'")
    ended = threading.Event()
    thread = threading.Thread(target=follow, args=(tracker, runs, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def follow(tracker: str, runs: list[Path], ended: threading.Event) -> None:
    """Sends what runs write, as they write it, until `ended` is set and everything is sent."""
    opened: dict[Path, Sending] = {}
    try:
        while True:
            last = ended.is_set()
            for run in runs:
                # Asked first: a run may come to its end while its lines are on their way.
                complete = last or (run / "DONE").exists()
                _send_new(tracker, run, opened)
                if run in opened and complete:
                    opened.pop(run).close()
            if last:
                return
            ended.wait(LOOK_EVERY_S)
    except Exception as error:
        # Its text may hold an address with a token in it.
        log.warning("%s: %s; nothing more is sent, metrics.jsonl holds everything", tracker, type(error).__name__)


def _send_new(tracker: str, run: Path, opened: dict[Path, Sending]) -> None:
    marker = run / f"sent-{tracker}.json"
    sent = sealed.read_json(marker)["lines"] if marker.exists() else 0
    lines = files.read_lines(run / "metrics.jsonl")
    if len(lines) <= sent:
        return
    if run not in opened:
        opened[run] = TRACKERS[tracker](run)
    for step, of_step in groupby(lines[sent:], key=lambda line: line["step"]):
        opened[run].send(step, {f"{line['split']}/{line['name']}": line["value"] for line in of_step})
    sealed.write_json(marker, {"lines": len(lines)}, marker.name)


def _config(run: Path) -> dict[str, Any]:
    return files.without_folders(sealed.read_json(run / "recipe.json"))
