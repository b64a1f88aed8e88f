"""How many runs fit at once: known when the first has shown what it takes, from files as the kernel writes them."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tutelage.methods import SSKD
from tutelage.run.builtin import built_in
from tutelage.run.workspace import Workspace
from tutelage.study import fitting
from tutelage.study.processes import Working
from tutelage.study.task import Task

MEMINFO = """MemTotal:       24689764 kB
MemFree:        13813160 kB
MemAvailable:   20000000 kB
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Eight cores and 20 GB; every process takes what `taken` says."""
    facts = SimpleNamespace(free=20_000_000_000, taken=None)
    monkeypatch.setattr(fitting, "cores", lambda: 8)
    monkeypatch.setattr(fitting, "free_memory", lambda: facts.free)
    monkeypatch.setattr(fitting, "memory_of", lambda pid: facts.taken)
    return facts


def at_work(name="first"):
    """A process."""
    return Working(Task(name, print, ()), SimpleNamespace(pid=1), None, None)


@pytest.mark.parametrize(
    ("taken", "threads", "runs", "fit"),
    [(1_000_000_000, 1, 20, 8), (1_000_000_000, 1, 5, 5), (1_000_000_000, 3, 20, 2), (4_000_000_000, 1, 20, 4),
     (50_000_000_000, 1, 20, 1)],
    ids=["cores", "runs", "threads", "memory", "too large"],
)  # fmt: skip
def test_as_many_as_fit_once_the_first_works(machine, capsys, taken, threads, runs, fit):
    works = []
    room = fitting.room(0, runs, threads, lambda task: task.name in works)
    assert room([]) == room([at_work()]) == 1
    machine.taken = taken
    assert room([at_work()]) == 1, "it has not taken a step yet"
    works.append("first")
    assert room([at_work()]) == room([]) == fit
    assert "at once: 8 cores, and the first takes" in capsys.readouterr().err


def test_what_is_asked_for_is_given(machine):
    assert fitting.room(3, 20, 1, lambda task: False)([]) == 3
    assert fitting.room(30, 20, 1, lambda task: False)([]) == 20


def test_where_memory_is_not_known_the_cores_decide(machine):
    machine.free = None
    assert fitting.room(0, 20, 2, lambda task: False)([]) == 4


def test_threads_depend_on_the_cores_and_the_runs_alone(machine):
    assert [fitting.threads_each(runs) for runs in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_the_limit_of_a_container_counts_what_it_may_drop(monkeypatch):
    there = {
        "/proc/meminfo": MEMINFO,
        "/sys/fs/cgroup/memory.max": "8000000000\n",
        "/sys/fs/cgroup/memory.current": "6000000000\n",
        "/sys/fs/cgroup/memory.stat": "anon 1000000000\nfile 4500000000\nkernel 3\n",
        "/proc/17/status": "Name:\tpython\nVmHWM:\t  512 kB\nVmRSS:\t  256 kB\n",
    }

    def read_text(path):
        if str(path) not in there:
            raise FileNotFoundError
        return there[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    assert fitting.free_memory() == 8_000_000_000 - 6_000_000_000 + 4_500_000_000
    there["/sys/fs/cgroup/memory.max"] = "max\n"
    assert fitting.free_memory() == 20_000_000 * 1024
    there.clear()
    assert fitting.free_memory() is None
    assert fitting.memory_of(17) is None


def test_the_most_memory_of_a_process_is_read(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path: "Name:\tpython\nVmHWM:\t  512 kB\nVmRSS:\t  256 kB\n")
    assert fitting.memory_of(17) == 512 * 1024


@pytest.mark.parametrize(
    ("forks", "each", "short"),
    [(True, 0.05, True), (True, 1.0, False), (False, 1.0, True), (False, 5.0, False)],
)
def test_processes_are_begun_where_they_are_worth_their_beginning(monkeypatch, forks, each, short):
    """Where they are forked one beginning is paid for all, elsewhere each pays its own."""
    monkeypatch.setattr(fitting, "seconds", lambda recipes, workspace: each * len(recipes))
    monkeypatch.setattr(fitting.processes, "FORKS", forks)
    assert fitting.are_short([built_in("digits")] * 20, Workspace()) is short


def test_rotations_and_second_views_are_passes_of_the_student():
    """Of 1,000 images by batches of 100 in 3 epochs: an image, its three rotations, and the same of another view."""
    recipe = built_in("digits")
    recipe = replace(recipe, fit=replace(recipe.fit, epochs=3, batch_size=100))
    plain, turned = (fitting.passes_of_student(replace(recipe, method=m), 1000) for m in (recipe.method, SSKD()))
    assert (plain, turned) == (3_000, 12_000)
    assert fitting.passes_of_student(replace(recipe, method=SSKD(), second_view=True), 1000) == 24_000


def test_the_estimate_of_several_runs_counts_what_each_asks_of_the_student(monkeypatch):
    recipe = built_in("digits")
    clock = itertools.count()
    monkeypatch.setattr(fitting.time, "perf_counter", lambda: next(clock))
    alone = fitting.seconds([recipe], Workspace())
    assert fitting.seconds([recipe, replace(recipe, method=SSKD())], Workspace()) == pytest.approx(5 * alone)
