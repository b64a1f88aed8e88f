"""What finished networks answer, kept on disk: a run's logits on val, a study's on test. Everything said of them is
computed from these files, and two networks are compared image by image without asking them again.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float32, Int64
from torch import Tensor

from tutelage import sealed
from tutelage.data.splits import DataSet
from tutelage.errors import Damaged, UserError
from tutelage.measure.classifier import measure, predict
from tutelage.run.folder import Run
from tutelage.run.record import study_title
from tutelage.teacher import lessons
from tutelage.training.student import load_student

log = logging.getLogger(__name__)

VAL_FILE = "val_logits.safetensors"
"""In a run's folder: `logits` and `labels`."""
TEST_FILE = "test_logits.safetensors"
"""In a study's folder: `labels`, and a tensor under the name of each run and under `teacher`."""


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
        kept = sealed.read_tensors(path, f"{study_title(study)}/{TEST_FILE}", required=required)
    except Damaged as damaged:
        raise Damaged(
            path,
            damaged.reason,
            "put back a copy; or remove it and test.json: tutelage distill then opens the test split once more, on "
            "the record",
        ) from None
    labels = kept.pop("labels")
    return {name: Predictions(logits, labels) for name, logits in kept.items()}


def keep_test(study: Path, labels: Int64[Tensor, " N"], logits: dict[str, Tensor]) -> None:
    """Writes what `on_test` reads."""
    _keep(Path(study) / TEST_FILE, {"labels": labels} | logits, f"{study_title(study)}/{TEST_FILE}")


def evaluate_run(run: Run, dataset: DataSet, runs: Path) -> dict[str, Any]:
    """A finished run on val, with its teacher beside it; written to evaluation.json once."""
    try:
        if (done := run.result("evaluation")) is not None:
            return done
    except Damaged as damaged:
        log.warning("%s; it is computed again", damaged.message)
    logits, labels = on_val(run, dataset)
    teacher_logits = lessons.all_on_val(run.recipe, dataset, runs)
    told = {
        "teacher": None if teacher_logits is None else measure(teacher_logits, labels),
        "val": measure(logits, labels, teacher_logits),
    }
    run.keep("evaluation", told)
    return told


def _keep(path: Path, tensors: dict[str, Tensor], what: str) -> None:
    sealed.write_tensors(path, {name: tensor.contiguous() for name, tensor in tensors.items()}, what)
