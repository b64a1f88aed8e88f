"""Which of several processes this one is."""

import atexit
import signal

import pytest
import torch

from tutelage.run.engine import Engine
from tutelage.run.process import ALONE, Process, leaving_orderly


def test_alone_there_is_nobody_to_wait_for():
    assert ALONE.first
    assert (ALONE.rank, ALONE.world) == (0, 1)
    assert ALONE.wait() is None


def test_the_first_process_writes_what_all_share():
    assert Process(rank=0, world=2).first
    assert not Process(rank=1, world=2).first


def test_a_fabric_says_which_process_it_runs_in():
    process = Process.of(Engine(device="cpu").fabric())
    assert (process.device, process.rank, process.world) == (torch.device("cpu"), 0, 1)
    process.wait()


def test_ctrl_c_does_not_interrupt_the_leaving(monkeypatch, default_signals):
    """A third one came out as a traceback of what is called at the end."""
    registered = []
    monkeypatch.setattr(atexit, "register", registered.append)
    with leaving_orderly():
        pass
    registered[0]()
    signal.raise_signal(signal.SIGINT)


def test_a_group_is_left_once_and_never_after_an_error(monkeypatch):
    registered = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(atexit, "unregister", lambda function: registered.remove(function) if registered else None)
    for _ in range(2):
        with leaving_orderly():
            pass
        assert len(registered) == 1
    with pytest.raises(ValueError), leaving_orderly():
        raise ValueError
    assert registered == [], "nobody knows what the others wait for"
