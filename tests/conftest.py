"""What all tests share: one thread, `--method` for a method of your own, shape checks off where torch.compile runs.

And what several files need and is made once: a finished run, and its student as an ONNX file.
"""

import gc
import os
import signal

import pytest
from jaxtyping import config as jaxtyping_config


def pytest_addoption(parser):
    parser.addoption(
        "--method",
        default="",
        metavar="FILE.py:CLASS",
        help="tests/property/test_methods.py: run the contract on this method instead of on those of METHODS",
    )


def pytest_configure(config):
    if not getattr(config.option, "numprocesses", None):  # who only hands out tests need not import it first
        import torch

        torch.set_num_threads(1)
    os.fsync = lambda handle: None  # nobody cuts the power of a test, and 7,000 calls wait for the disk
    # A shell in which the tests run in the background, and nohup, have these ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish(session):
    gc.freeze()  # what is imported by now stays, and collections need not walk through it


@pytest.fixture(autouse=True)
def _photo_cache(tmp_path_factory, monkeypatch):
    """Indices and decoded photos of the tests stay with the tests."""
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path_factory.getbasetemp() / "photo-cache"))


@pytest.fixture(autouse=True)
def _shape_checks(request):
    """Every jaxtyping annotation is checked, but not in tests marked `compiles`: dynamo cannot trace the checks."""
    jaxtyping_config.update("jaxtyping_disable", request.node.get_closest_marker("compiles") is not None)
    yield
    jaxtyping_config.update("jaxtyping_disable", value=False)


@pytest.fixture
def default_signals():
    """Signals of a terminal as a new shell sets them: under nohup the tests would inherit an ignored SIGHUP."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A student of the digits after one epoch with kd from a teacher of random weights; tests only read it."""
    import small
    from tutelage.training.loop import train

    folder = tmp_path_factory.mktemp("finished")
    fit = small.Fit(epochs=1, batch_size=128, learning_rate=0.05)
    return train(small.taught(folder, fit=fit, views=1), small.workspace(folder / "runs"))


@pytest.fixture(scope="session")
def task(finished_run):
    """What that run has to export."""
    import small
    from tutelage.export import task_of

    return task_of(finished_run, small.digits())


@pytest.fixture(scope="session")
def onnx_file(task, tmp_path_factory):
    """Its student in float32."""
    from tutelage.export.onnx_files import write_onnx

    path = tmp_path_factory.mktemp("exported") / "student.onnx"
    write_onnx(task, path)
    return path
