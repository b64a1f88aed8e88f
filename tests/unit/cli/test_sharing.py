"""One command in several processes: who speaks, and which commands there are."""

import sys

import pytest

from tutelage import progress
from tutelage.cli import main, sharing

TORCHRUN = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}


@pytest.fixture
def second(monkeypatch):
    """The second of two processes."""
    for name, value in (TORCHRUN | {"RANK": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(progress.console, "quiet", False)
    monkeypatch.setattr("logging.disable", lambda level: None)


def test_alone_a_process_is_the_first():
    assert sharing.rank() == 0
    assert sharing.last_words("error: a") == "error: a"


@pytest.mark.usefixtures("second")
def test_the_second_process_is_silent_until_they_have_met(monkeypatch, capfd):
    sharing.join(["train", "digits"])
    print("a result")
    progress.say("a note")
    assert capfd.readouterr() == ("", "")
    assert sharing.last_words("error: a") == ""
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    assert not sharing.last_words("\n").strip()
    assert sharing.last_words("\nerror: a") == "process 1: error: a"


def test_other_commands_are_for_one_process(monkeypatch, capfd):
    for name, value in (TORCHRUN | {"RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["report", "study"])
    assert ended.value.code == 2
    assert "error: torchrun has started 2 processes, and tutelage report is for one" in capfd.readouterr().err
