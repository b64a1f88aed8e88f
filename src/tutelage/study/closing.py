"""Closes a study whose runs are trained: the test split opened once, the student exported, results and report."""

import dataclasses
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch

from tutelage import data, files, progress
from tutelage.data import leaks
from tutelage.data.leaks import Leakage
from tutelage.data.test_split import open_test
from tutelage.errors import Damaged
from tutelage.export import export, exported
from tutelage.export.doubt import doubt
from tutelage.export.modelcard import LEAKAGE
from tutelage.measure.classifier import measure, predict
from tutelage.report import write_report
from tutelage.run.folder import Run
from tutelage.run.record import keep, kept
from tutelage.run.workspace import Workspace
from tutelage.study import handed, microcontroller
from tutelage.study.finished import Finished
from tutelage.study.processes import beside
from tutelage.study.results import gathered
from tutelage.study.study import Study
from tutelage.study.task import Task
from tutelage.study.watch import Watch
from tutelage.teacher.answer import mean_logits
from tutelage.teacher.members import load_member
from tutelage.training.predictions import TEST_FILE, Predictions, evaluate_run, keep_test, on_test
from tutelage.training.student import load_student

log = logging.getLogger(__name__)


def close(study: Study, workspace: Workspace, watch: Watch, leakage: Leakage | None, *, force: bool) -> None:
    """All that comes after training: for one process alone.

    Args:
        study: Its runs are trained.
        workspace: Where they are.
        watch: Of the command that this is a part of.
        leakage: What is known of copies among training and test images.
        force: Export the student also where something speaks against it.
    """
    folder = study.folder(workspace.runs)
    files.sweep(folder)
    trained = {
        (number, seed): Run.of(dataclasses.replace(row, seed=seed), workspace.runs)
        for seed in study.seeds
        for number, row in enumerate(study.rows)
    }
    dataset = data.load(study.rows[0].data, workspace.data_root)
    for run in trained.values():
        files.sweep(run.path)
        evaluate_run(run, dataset)
    done = Finished(study.rows, study.seeds, trained, folder, dataset)
    shown = done.shown[1]
    with (
        beside(Task(f"export of {shown.path.name}", hand_over, (shown.path, workspace.data_root, force))),
        _a_core_less(),
    ):
        _see_to_test(done)
        _import_what_follows()
    if study.budget is not None:
        microcontroller.export_for(shown, dataset, study.budget, force=force)
    shown.keep(LEAKAGE, {"sentence": leaks.sentence(leakage), "found": leakage})
    with progress.working("measuring what the study is about"):
        results = microcontroller.with_needs(gathered(done, watch), done, study.budget)
    keep(folder, "results", {**results, "leakage": leakage})
    handed.keep(done, results)
    with progress.working("drawing the report"):
        write_report(folder)


@contextmanager
def _a_core_less() -> Generator[None]:
    """Leaves one core to another process: threads that wait for each other would wait for it, too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _import_what_follows() -> None:
    """Of what the results and the report need, that which takes long: the other process is not done yet."""
    import scipy.stats  # noqa: F401

    import tutelage.report.page  # noqa: F401


def hand_over(path: Path, data_root: Path | None, force: bool) -> None:
    """Exports the student of a run where it was not; one that something speaks against only where `force` says so."""
    run = Run.open(path)
    if "onnx" not in exported(run):
        dataset = data.load(run.recipe.data, data_root)
        if force or not doubt(run, dataset):
            export(run, dataset, force=force)


def _see_to_test(study: Finished) -> None:
    """Has test.json there: as it was written, computed from the answers that were kept, or of one opening."""
    folder = study.folder
    path = folder / "test.json"
    try:
        if path.exists():
            kept(folder, "test")
            return
    except Damaged as damaged:
        log.warning("%s; it is computed again from %s", damaged.message, TEST_FILE)
        _measure(folder, on_test(folder))
        return
    if (folder / TEST_FILE).exists():  # test.json is gone
        _measure(folder, on_test(folder))
    else:
        _open_test(study)


def _open_test(study: Finished) -> None:
    """All test numbers of the study in one opening."""
    dataset, workspace, folder = study.dataset, study.workspace, study.folder
    test = open_test(dataset, workspace.test_openings, run=folder.name, reason="final evaluation of a study")
    logits = {run.path.name: predict(load_student(run, dataset), test, what="test") for run in study.trained.values()}
    if study.taught.taught_by:
        members = (load_member(study.taught, spec, dataset, workspace) for spec in study.taught.taught_by)
        logits["teacher"] = mean_logits([predict(m.network, test, what="teacher on test") for m in members], 1.0)
    keep_test(folder, test.labels, logits)
    _measure(folder, {name: Predictions(answers, test.labels) for name, answers in logits.items()})


def _measure(folder: Path, answers: dict[str, Predictions]) -> None:
    """Writes test.json from the answers on test, by run, and "teacher"."""
    teacher = answers.get("teacher")
    logits = None if teacher is None else teacher.logits
    runs = {name: measure(*predictions, logits) for name, predictions in answers.items() if name != "teacher"}
    keep(folder, "test", {"teacher": None if teacher is None else measure(*teacher), "runs": runs})
