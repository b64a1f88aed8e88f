"""What all tests share: one thread, `--method` for a method of your own, shape checks off where torch.compile runs."""

import signal

import pytest
import torch
from jaxtyping import config as jaxtyping_config


def pytest_addoption(parser):
    parser.addoption(
        "--method",
        default="",
        metavar="FILE.py:CLASS",
        help="tests/property/test_methods.py: run the contract on this method instead of on those of METHODS",
    )


def pytest_configure(config):
    torch.set_num_threads(1)
    # A shell in which the tests run in the background, and nohup, have these ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
