"""Keeps what finished networks answer on disk: the logits of a run on val, those of a study on test.

Everything said of them is computed from these files, and two networks are compared image by image without asking them
again.
"""

import logging
from pathlib import Path
from typing import NamedTuple, TypedDict

from jaxtyping import Float32, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor

from tutelage import files
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.measure.classifier import measure, predict
from tutelage.measure.measures import MEASURES, Measured, missing
from tutelage.run.folder import Run
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.training.student import load_student

log = logging.getLogger(__name__)

VAL_FILE = "val_logits.safetensors"
"""In a run's folder: `logits` and `labels`."""
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
    if not path.exists():
        if not run.done:
            raise UserError(f"{run.path} is not finished", f"tutelage train {run.path} goes on")
        logits = predict(load_student(run, dataset), dataset.val, what="evaluating")
        keep_val(run, logits, dataset.val.labels)
    return Predictions(**load_file(path))


def keep_val(run: Run, logits: Float32[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> None:
    """Writes what `on_val` reads: the validation after a run's last epoch is not made again for its evaluation."""
    _keep(run.path / VAL_FILE, {"logits": logits, "labels": labels})


def on_test(study: Path) -> dict[str, Predictions]:
    """Every network's logits on test, by its run's name, and "teacher"; empty where a study has not kept them."""
    path = Path(study) / TEST_FILE
    if not path.exists():
        return {}
    kept = load_file(path)
    labels = kept.pop("labels")
    return {name: Predictions(logits, labels) for name, logits in kept.items()}


def keep_test(study: Path, labels: Int64[Tensor, " N"], logits: dict[str, Tensor]) -> None:
    """Writes what `on_test` reads."""
    _keep(Path(study) / TEST_FILE, {"labels": labels} | logits)


def evaluate_run(run: Run, dataset: DataSet) -> Evaluation:
    """A finished run on val, with its teacher beside it: evaluation.json, written anew where measures are new."""
    done: Evaluation | None = run.result("evaluation")
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
        files.write_json(run.path / "evaluation.json", evaluation)
    return evaluation


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


def _keep(path: Path, tensors: dict[str, Tensor]) -> None:
    with files.appearing(path) as beside:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, beside)
