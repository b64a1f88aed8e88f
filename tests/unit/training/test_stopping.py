"""Ctrl-C once: the step is finished. Twice: at once."""

import os
import signal
import threading

import pytest

from tutelage.training.stopping import stopping


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_once_is_noticed_and_told(capsys):
    with stopping() as stop:
        assert not stop()
        press()
        assert stop()
    assert "stopping after this step" in capsys.readouterr().err


def test_twice_stops_at_once():
    with stopping() as stop:
        press()
        with pytest.raises(KeyboardInterrupt):
            press()
        assert stop()


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with stopping():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_to_the_caller():
    said = []

    def run():
        with stopping() as stop:
            said.append(stop())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert said == [False]
