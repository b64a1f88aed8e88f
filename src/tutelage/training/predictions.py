"""Keeps what finished networks answer on disk: the logits of a run on val, those of a study on test.

Everything said of them is computed from these files, and two networks are compared image by image without asking them
again.
"""

import logging
from pathlib import Path
from typing import NamedTuple, TypedDict

from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage import sealed
from tutelage.data.splits import DataSet
from tutelage.errors import Damaged, UserError
from tutelage.measure.classifier import measure, predict
from tutelage.measure.measures import MEASURES, Measured, missing
from tutelage.run.folder import Run
from tutelage.run.record import study_title
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.training.hits import VAL_FILE
from tutelage.training.student import load_student

log = logging.getLogger(__name__)

TEST_FILE = "test_logits.safetensors"
"""In a study's folder: `labels`, and a tensor under the name of each run and under `teacher`."""


class Evaluation(TypedDict):
    """What a run's evaluation.json holds."""

    teacher: Measured | None
    """On val, as the student is; None where nobody taught."""
    val: Measured


class Predictions(NamedTuple):
    """A network's answers to every image of a split, in the split's order."""

    logits: Float32[Tensor, "N C"]
    labels: Int64[Tensor, " N"]


def on_val(run: Run, dataset: DataSet) -> Predictions:
    """A finished run's logits on val: read where they are, else computed and kept.

    Raises:
        UserError: the run is not finished.
    """
    path = run.path / VAL_FILE
    if path.exists():
        try:
            return Predictions(**sealed.read_tensors(path, run.what(VAL_FILE), required=bool(run.title)))
        except Damaged as damaged:
            log.warning("%s; it is computed again", damaged.message)
    if not run.done:
        raise UserError(f"{run.path} is not finished", f"tutelage train {run.path} goes on")
    logits = predict(load_student(run, dataset), dataset.val, what="evaluating")
    keep_val(run, logits, dataset.val.labels)
    return Predictions(logits, dataset.val.labels)


def keep_val(run: Run, logits: Float32[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> None:
    """Writes what `on_val` reads: the validation after a run's last epoch is not made again for its evaluation."""
    _keep(run.path / VAL_FILE, {"logits": logits, "labels": labels}, run.what(VAL_FILE))


def on_test(study: Path) -> dict[str, Predictions]:
    """Every network's logits on test, by its run's name, and "teacher"; empty where a study has not kept them.

    Raises:
        Damaged: they are not as they were written: only another opening of the test split makes them again.
    """
    path = Path(study) / TEST_FILE
    required = sealed.is_sealed(Path(study) / "test.json")  # the two are written together
    if not (required or path.exists()):
        return {}
    try:
        tensors = sealed.read_tensors(path, f"{study_title(study)}/{TEST_FILE}", required=required)
    except Damaged as damaged:
        raise Damaged.of(
            path,
            damaged.reason,
            "put back a copy; or remove it and test.json: tutelage distill then opens the test split once more, on "
            "the record",
        ) from None
    labels = tensors.pop("labels")
    return {name: Predictions(logits, labels) for name, logits in tensors.items()}


def keep_test(study: Path, labels: Int64[Tensor, " N"], logits: dict[str, Tensor]) -> None:
    """Writes what `on_test` reads."""
    _keep(Path(study) / TEST_FILE, {"labels": labels} | logits, f"{study_title(study)}/{TEST_FILE}")


def evaluate_run(run: Run, dataset: DataSet) -> Evaluation:
    """A finished run on val, with its teacher beside it: evaluation.json, written anew where measures are new."""
    done = _evaluation(run)
    if done is None:
        logits, labels = on_val(run, dataset)
        teacher_logits = lessons.all_on_val(run.recipe, dataset, Workspace(run.path.parent))
        evaluation: Evaluation = {
            "teacher": None if teacher_logits is None else measure(teacher_logits, labels),
            "val": measure(logits, labels, teacher_logits),
        }
    else:
        evaluation = _completed(done, run, dataset)
    if evaluation != done:
        run.keep("evaluation", {**evaluation})
    return evaluation


def _evaluation(run: Run) -> Evaluation | None:
    """What was measured before; None where nothing was, or its file is damaged."""
    try:
        return run.result("evaluation")
    except Damaged as damaged:
        log.warning("%s; it is computed again", damaged.message)
        return None


def completed(measured: Measured, answers: Predictions, teacher_logits: Float32[Tensor, "N C"] | None) -> Measured:
    """Measures of a file, and those that its version did not know, from the logits that it was made from."""
    return {**measure(*answers, teacher_logits), **measured}


def _completed(done: Evaluation, run: Run, dataset: DataSet) -> Evaluation:
    """An evaluation with every measure that can still be taken: of val where its logits are kept, of a teacher that is
    still there.
    """
    val, teacher = done["val"], done["teacher"]
    new = missing(val, taught=teacher is not None)
    new_of_teacher = teacher is not None and missing(teacher, taught=False)
    if not (run.path / VAL_FILE).exists() or not (new or new_of_teacher):
        return done
    answers = on_val(run, dataset)
    logits = None
    if new_of_teacher or any(MEASURES[name].of_teacher for name in new):
        try:
            logits = lessons.all_on_val(run.recipe, dataset, Workspace(run.path.parent))
        except UserError as gone:
            log.warning("%s: not every measure of its teacher is known: %s", run.path, gone.message)
    if teacher is not None and logits is not None:
        teacher = completed(teacher, Predictions(logits, answers.labels), None)
    return {"teacher": teacher, "val": completed(val, answers, logits)}


def _keep(path: Path, tensors: dict[str, Tensor], what: str) -> None:
    sealed.write_tensors(path, {name: tensor.contiguous() for name, tensor in tensors.items()}, what)
