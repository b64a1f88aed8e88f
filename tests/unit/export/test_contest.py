"""What `tutelage bench RUN` compares: student, teacher and files, each with its accuracy on val."""

import shutil

import pytest

import small
from tutelage.errors import UserError
from tutelage.export.contest import of_run
from tutelage.measure.classifier import measure
from tutelage.run.folder import Run
from tutelage.training.predictions import on_val


@pytest.fixture
def run(finished_run, tmp_path):
    """The finished run with one exported file that is here, and one whose packages are not."""
    shutil.copytree(finished_run.path.parent, tmp_path / "runs")
    run = Run(tmp_path / "runs" / finished_run.path.name)
    (run.path / "student.onnx").write_bytes(b"")
    run.keep("card", run.result("card") | {"normalisation": "inside the file"})
    run.keep(
        "export",
        {"onnx": {"file": "student.onnx", "val_top1": 0.5}, "litert": {"file": "student.tflite", "val_top1": 0.4}},
    )
    return run


def test_student_teacher_and_files_meet(run, tmp_path, monkeypatch, capsys):
    def here(names, to_write):
        if "litert" in names:
            raise UserError("litert needs litert-torch")
        return {}

    monkeypatch.setattr("tutelage.export.contest.chosen", here)
    found = of_run(run.path, tmp_path / "made", None)
    assert [one.name for one in found] == ["student, PyTorch", "teacher convnet, PyTorch", "onnx"]
    assert all(one.path.is_file() and one.shape == (1, 8, 8) for one in found)
    logits, labels = on_val(run, small.digits())
    assert found[0].val_top1 == measure(logits, labels)["top1"]
    assert found[2].val_top1 == 0.5
    assert "student.tflite is left out: litert needs litert-torch" in capsys.readouterr().err


def test_a_run_without_files_is_refused(run, tmp_path):
    (run.path / "export.json").unlink()
    with pytest.raises(UserError, match="has no exported files") as error:
        of_run(run.path, tmp_path / "made", None)
    assert "tutelage export" in error.value.hint
