"""A run that becomes slow says so, once."""

import pytest
import torch

from tutelage.training.pace import Pace


@pytest.fixture
def heard():
    return []


def steps(pace, seconds, count=Pace.STEPS):
    for _ in range(count):
        pace.took(seconds)


def test_steps_that_become_slow_are_noticed_once(heard):
    pace = Pace("training a", heard.append)
    for seconds in (0.005, 0.005, 0.5, 0.5, 0.005, 0.6):
        steps(pace, seconds)
    assert len(heard) == 1
    assert heard[0].startswith("training a: a step takes 500 ms, 100 times as long as before")


@pytest.mark.parametrize("seconds", [0.012, 0.05], ids=["a little slower", "slow for less than two seconds"])
def test_what_hardly_matters_is_not_said(heard, seconds):
    pace = Pace("training a", heard.append)
    steps(pace, 0.005)
    steps(pace, seconds)
    assert heard == []


def test_a_slow_step_now_and_then_is_not_said(heard):
    pace = Pace("training a", heard.append)
    steps(pace, 0.005)
    steps(pace, 0.005, Pace.STEPS - 2)
    steps(pace, 60.0, 2)
    assert heard == []


def test_several_threads_are_told_of(heard, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    pace = Pace("training a", heard.append)
    steps(pace, 0.005)
    steps(pace, 0.5)
    assert "2 threads wait for each other" in heard[0]
    assert "--engine.threads 1" in heard[0]
