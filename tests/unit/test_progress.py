"""What a waiting person sees: nothing of what is short, a line now and then without a terminal, a bar on one."""

import io

import pytest
from rich.console import Console

from tutelage import progress
from tutelage.progress import advancing, duration, say, size


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def piped(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=written, highlight=False, width=40))
    return written


@pytest.fixture
def terminal(monkeypatch):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    return written


def test_what_is_short_says_nothing(clock, piped):
    with advancing("training", 1000) as advance:
        for _ in range(10):
            clock.now += 1
            advance(100)
    assert piped.getvalue() == ""


def test_without_a_terminal_a_line_now_and_then(clock, piped):
    with advancing("training", 1000) as advance:
        for _ in range(8):
            clock.now += 5
            advance(100)
    assert piped.getvalue().splitlines() == [
        "training: 30 %, 20 images/s, 35 s left",
        "training: 60 %, 20 images/s, 20 s left",
    ]


def test_what_an_earlier_process_did_counts_as_done_but_not_as_speed(clock, piped):
    with advancing("training", 1000, done=500) as advance:
        clock.now += 20
        advance(100)
    assert piped.getvalue() == "training: 60 %, 5 images/s, 1 min 20 s left\n"


def test_other_things_are_counted_under_their_name(clock, piped):
    with advancing("reading", 4, "files") as advance:
        clock.now += 20
        advance(2)
    assert piped.getvalue() == "reading: 50 %, 0 files/s, 20 s left\n"


def test_on_a_terminal_a_bar_after_two_seconds_that_leaves_no_trace(clock, terminal):
    with advancing("training", 1000) as advance:
        clock.now += 1
        advance(100)
        assert "training" not in terminal.getvalue()
        clock.now += 4
        advance(100)
        progress.console._live_stack[0].refresh()
        assert "200/1000" in terminal.getvalue()
        assert "40 images/s" in terminal.getvalue()
    assert terminal.getvalue().rstrip("\n").endswith("\x1b[2K")  # erased


def test_a_line_is_neither_wrapped_nor_read_as_markup(piped):
    say("x" * 60 + " [bold]/[not markup]")
    assert piped.getvalue() == "x" * 60 + " [bold]/[not markup]\n"


def test_the_console_writes_to_stderr(capsys):
    Console(stderr=progress.console.stderr).print("x")
    assert progress.console.stderr
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"),
     (3600, "1 h 0 min"), (90_000, "25 h 0 min")],
)  # fmt: skip
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (51_760, "51.8 kB"), (2e9, "2 GB"), (3.2e12, "3.2 TB")],
)
def test_sizes_in_words(count, words):
    assert size(count) == words


@pytest.mark.parametrize("seconds", [30, 90])
def test_without_a_terminal_no_work_is_silent_for_more_than_half_a_minute(seconds, clock, piped):
    lines = progress.Lines("writing student.onnx", 0, "images")
    for _ in range(seconds):
        clock.now += 1
        lines.look()
    told = piped.getvalue().splitlines()
    assert len(told) == seconds // progress.SILENCE_S
    assert told[0] == "writing student.onnx: 30 s so far"


def test_work_that_does_not_advance_is_told_of_with_what_is_known(clock, piped):
    lines = progress.Lines("teacher answers", 100, "images")
    clock.now += 10
    lines.advance(50)
    for _ in range(35):
        clock.now += 1
        lines.look()
    assert piped.getvalue() == "teacher answers: 50 %, 2 images/s, 30 s left\n"


def test_a_thread_looks_while_nothing_comes_back(piped, monkeypatch):
    looked = progress.threading.Event()
    monkeypatch.setattr(progress.Lines, "look", lambda self: looked.set())
    monkeypatch.setattr(progress, "LOOK_S", 0.01)
    with progress.working("compiling"):
        assert looked.wait(10)
    assert progress._lines == []


def test_of_several_runs_every_line_says_how_far_all_are(clock, piped):
    with progress.whole(20) as whole:
        for run, seconds in enumerate((0, 60, 60, 30)):
            whole.next()
            if run < 3:
                clock.now += seconds
                whole.ended(worked=run > 0)
        clock.now += 30
        with advancing("training kd", 100) as advance:
            clock.now += 15
            advance(25)
    assert piped.getvalue() == "run 4 of 20, about 16 min left; training kd: 25 %, 2 images/s, 45 s left\n"
    assert progress._prefixed("x") == "x"


def test_of_the_first_run_nothing_is_guessed(clock):
    whole = progress.Whole(3)
    whole.next()
    assert str(whole) == "run 1 of 3"


def test_on_a_terminal_work_that_cannot_be_counted_is_shown_after_a_second(clock, terminal):
    with progress.working("drawing the report"):
        progress.console._live_stack[0].refresh()
        assert "drawing" not in terminal.getvalue()
        clock.now += 3
        progress.console._live_stack[0].refresh()
        assert "drawing the report: 3.0 s so far" in terminal.getvalue()
