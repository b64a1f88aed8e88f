"""What several unit test files need and is made once: a finished run, and its student as an ONNX file."""

from pathlib import Path

import pytest

import small
from tutelage.export import task_of
from tutelage.export.onnx_files import write_onnx
from tutelage.export.task import Task
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.training.loop import train


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Run:
    """A student of the digits after one epoch with kd from a teacher of random weights; tests only read it."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = small.taught(folder, fit=Fit(epochs=1, batch_size=128, learning_rate=0.05), views=1)
    return train(recipe, small.workspace(folder / "runs"))


@pytest.fixture(scope="session")
def task(finished_run) -> Task:
    """What that run has to export."""
    return task_of(finished_run, small.digits())


@pytest.fixture(scope="session")
def onnx_file(task, tmp_path_factory) -> Path:
    """Its student in float32."""
    path = tmp_path_factory.mktemp("exported") / "student.onnx"
    write_onnx(task, path)
    return path
