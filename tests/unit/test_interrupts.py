"""A request to stop: heard once, obeyed after the step, at once the second time; the shell's number for it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from tutelage import cli
from tutelage.interrupts import SIGNALS, Stopped, listening, passing_on, stopping

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_block_is_asked_and_the_number_kept(number, capfd):
    def block():
        with stopping() as stop:
            assert not stop()
            signal.raise_signal(number)
            assert stop()
            raise KeyboardInterrupt("after step 3")

    with pytest.raises(Stopped, match="after step 3") as stopped:
        block()
    assert stopped.value.number == number


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_stops_at_once_and_handlers_are_restored(number):
    before = signal.getsignal(number)

    def block():
        with stopping():
            signal.raise_signal(number)
            signal.raise_signal(number)
            pytest.fail("it went on")

    with pytest.raises(Stopped):
        block()
    assert signal.getsignal(number) is before


class Dropped:
    """Hears a signal where Python drops what is raised."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("where", ["__del__", "a weak reference"])
def test_a_signal_that_python_drops_comes_again(where, capfd):
    hook, kept = sys.unraisablehook, type("Kept", (), {})()
    weak = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGTERM)) if where != "__del__" else None

    def block():
        with listening():
            if weak is None:
                Dropped()
            else:
                alive.clear()
            threading.Event().wait(60)

    alive = [kept]
    del kept
    with pytest.raises(Stopped) as stopped:
        block()
    assert stopped.value.number == signal.SIGTERM
    assert sys.unraisablehook is hook
    assert "Traceback" not in capfd.readouterr().err


def test_another_signal_is_no_second_one():
    """torchrun follows Ctrl-C up with SIGTERM while the run is being saved."""
    with stopping() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop() == signal.SIGINT


@pytest.mark.parametrize(("number", "saved"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_what_a_scheduler_has_stopped_and_is_saved_may_be_queued_again(number, saved):
    assert Stopped(number, saved=True).code == saved
    assert Stopped(number).code == 128 + number


def test_signals_go_to_the_processes_that_were_started():
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()

    def wait():
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
        ready.set()
        signal.pause()

    with passing_on() as heard:
        child = fork.Process(target=wait)
        child.start()
        ready.wait()
        signal.raise_signal(signal.SIGTERM)
        child.join()
        assert (child.exitcode, heard()) == (7, signal.SIGTERM)


def test_nohup_is_obeyed():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listening(), stopping() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)]
)
def test_the_command_ends_with_the_shells_number(number, code, monkeypatch, capfd):
    monkeypatch.setattr(cli, "command", lambda name: lambda arguments: signal.raise_signal(number))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["list", "models"])
    assert stopped.value.code == code
    assert capfd.readouterr().err.strip().endswith("; the same command goes on from there")


def test_a_closed_terminal_is_no_second_mistake():
    """What is printed after SIGHUP goes nowhere, without an error."""
    import pty

    code = (
        "import os, signal; from tutelage import cli; cli.command = lambda n: lambda a: (print('ready', flush=True), "
    )
    code += "signal.pause(), print('late')); cli.main(['list', 'x'])"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129


def test_without_signals_of_unix_there_is_ctrl_c():
    code = "import signal; del signal.SIGHUP, signal.SIGUSR1\n"
    code += "from tutelage import interrupts as i; print(len(i.SIGNALS))\nwith i.listening(): pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
