"""Which threads and which number format a run gets, from made-up times."""

import pytest

from tutelage.training.ways import STEPS, Timed, Way, choose, in_words

AUTO = Way("auto", 0)
LONG = 1_000_000


def machine(times, losses=None, load=1.0):
    """Times steps of which each takes what `times` says, in ms; and a list of what was asked."""
    asked = []

    def measure(way, steps):
        asked.append((way, steps))
        ms = float(times[way])
        return Timed(way, load * ms, ms, (losses or {}).get(way.precision, (2.0, 1.9)) * (steps // 2 or 1))

    return measure, asked


def test_a_short_run_has_one_thread_and_float32_and_nothing_else_is_tried():
    measure, asked = machine({Way("fp32", 1): 5.0})
    assert choose(AUTO, 64, measure, 60)[0] == Way("fp32", 1)
    assert asked == [(Way("fp32", 1), 1)]


@pytest.mark.parametrize("load", [1.0, 50.0])
def test_what_else_the_machine_does_makes_no_short_run_long(load):
    measure, asked = machine({Way("fp32", 1): 5.0}, load=load)
    assert choose(AUTO, 64, measure, 11_000)[0] == Way("fp32", 1)
    assert len(asked) == 1


def test_a_long_run_gets_more_threads_while_they_are_clearly_faster():
    times = {Way("fp32", 1): 100, Way("fp32", 2): 52, Way("fp32", 4): 30, Way("fp32", 6): 28, Way("bf16", 4): 29}
    measure, asked = machine(times)
    assert choose(AUTO, 6, measure, LONG)[0] == Way("fp32", 4)
    assert asked[-2:] == [(Way("fp32", 6), STEPS), (Way("bf16", 4), STEPS)]


def test_threads_that_wait_for_each_other_are_not_taken():
    measure, _ = machine({Way("fp32", 1): 5.0, Way("fp32", 2): 980.0, Way("bf16", 1): 45.0})
    assert choose(AUTO, 2, measure, LONG)[0] == Way("fp32", 1)


@pytest.mark.parametrize(
    ("ms", "losses", "precision"),
    [
        (40, (2.0, 1.9), "bf16"),
        (90, (2.0, 1.9), "fp32"),
        (900, (2.0, 1.9), "fp32"),
        (40, (2.0, 1.8), "fp32"),
        (40, (2.0, float("nan")), "fp32"),
    ],
    ids=["faster", "hardly", "emulated", "another loss", "not finite"],
)
def test_bfloat16_is_taken_where_it_is_clearly_faster_and_computes_the_same(ms, losses, precision):
    measure, _ = machine({Way("fp32", 1): 100, Way("bf16", 1): ms}, {"bf16": losses})
    assert choose(AUTO, 1, measure, LONG)[0] == Way(precision, 1)


def test_what_was_asked_for_stays():
    measure, asked = machine({Way("fp32", 3): 100, Way("bf16", 3): 900})
    assert choose(Way("fp32", 3), 8, measure, LONG)[0] == Way("fp32", 3)
    assert choose(Way("bf16", 3), 8, measure, 1)[0] == Way("bf16", 3)
    assert {way.threads for way, _ in asked} == {3}


def test_a_format_of_ones_own_that_is_slower_is_warned_of_with_both_numbers():
    asked = Way("bf16", 1)
    way, timed = choose(asked, 1, machine({Way("fp32", 1): 109, Way("bf16", 1): 1000})[0], 10)
    assert in_words(asked, "resnet8", way, timed) == (
        "warning: resnet8 trains slower in bfloat16 on this processor, 1,000 ms a step, "
        "than in float32, 109 ms: leave out --engine.precision"
    )


def test_the_choice_is_one_line():
    way, timed = choose(AUTO, 2, machine({Way("fp32", 1): 100, Way("fp32", 2): 60, Way("bf16", 2): 20})[0], LONG)
    assert in_words(AUTO, "resnet8", way, timed) == (
        "resnet8 is trained in bfloat16 on 2 threads (a step: float32 on 1 thread 100 ms, "
        "float32 on 2 threads 60 ms, bfloat16 on 2 threads 20 ms); --engine.precision and --engine.threads set it"
    )
