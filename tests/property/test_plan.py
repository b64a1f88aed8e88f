"""What happens at a step: permutations, ranks, views and learning rates as pure functions of the step."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.errors import UserError
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan

sizes = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


def plan(samples=100, batch_size=10, epochs=3, views=4, seed=0, **fit):
    return Plan(samples, views, seed, Fit(epochs=epochs, batch_size=batch_size, **fit))


@settings(deadline=None)
@given(size=sizes, epochs=st.integers(1, 4), seed=st.integers(0, 2**40))
def test_an_epoch_visits_no_sample_twice_and_drops_less_than_a_batch(size, epochs, seed):
    samples, batch = size
    p = plan(samples, batch, epochs, seed=seed)
    assert p.steps == epochs * (samples // batch)
    for epoch in range(epochs):
        steps = range(epoch * p.steps_per_epoch, (epoch + 1) * p.steps_per_epoch)
        visited = torch.cat([p.addresses(step)[0] for step in steps])
        assert all(len(p.addresses(step)[0]) == batch for step in steps)
        assert len(visited.unique()) == len(visited) == samples - samples % batch
        assert visited.min() >= 0
        assert visited.max() < samples


def test_what_an_epoch_drops_differs_from_epoch_to_epoch():
    p = plan(samples=19, batch_size=10, epochs=60)
    seen = torch.cat([p.addresses(step)[0] for step in range(p.steps)])
    assert len(seen.unique()) == 19


@settings(deadline=None)
@given(size=sizes, world=st.integers(1, 5), data=st.data())
def test_ranks_partition_the_batch_of_one_process(size, world, data):
    p = plan(*size, epochs=3)
    step = data.draw(st.integers(0, p.steps - 1))
    whole = list(zip(*(a.tolist() for a in p.addresses(step)), strict=True))
    parts = [list(zip(*(a.tolist() for a in p.addresses(step, r, world)), strict=True)) for r in range(world)]
    assert sorted(pair for part in parts for pair in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**40), order=st.permutations(range(12)))
def test_a_step_does_not_depend_on_the_steps_before_it(seed, order):
    """In any order, and whatever a caller does to the tensors it was given."""
    expected = {step: [a.clone() for a in plan(40, 10, seed=seed).addresses(step)] for step in range(12)}
    p = plan(40, 10, seed=seed)
    for step in (step for step in order for _ in range(2)):
        for address, right in zip(p.addresses(step), expected[step], strict=True):
            assert torch.equal(address, right)
            address.fill_(-1)


def test_order_depends_on_seed_and_epoch():
    orders = [plan(1000, 1000, seed=seed).addresses(epoch)[0] for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order.tolist()) for order in orders}) == 4


@settings(deadline=None)
@given(views=st.integers(1, 9), seed=st.integers(0, 2**40), epochs=st.integers(1, 30))
def test_views_are_taken_in_turn(views, seed, epochs):
    p = plan(epochs=epochs, views=views, seed=seed)
    numbers = [p.view(epoch) for epoch in range(epochs)]
    assert all((b - a) % views == 1 % views for a, b in pairwise(numbers))
    assert p.views_used == tuple(sorted(set(numbers)))
    assert len(p.views_used) == min(views, epochs)
    for step in (0, p.steps - 1):
        assert p.addresses(step)[1].unique().tolist() == [numbers[step // p.steps_per_epoch]]


def test_the_first_view_depends_on_the_seed_and_is_fair():
    first = torch.tensor([plan(views=4, seed=seed).view(0) for seed in range(400)])
    counts = first.bincount(minlength=4)
    assert counts.min() > 60  # 100 each; 4.6 standard deviations


def test_without_a_number_of_views_every_epoch_has_a_new_one():
    p = plan(views=0, epochs=5, seed=3)
    assert p.views_used == (0, 1, 2, 3, 4)


def test_epochs_are_fractional():
    p = plan(samples=105, batch_size=10)
    assert [p.epoch(step) for step in (0, 5, 10, 25)] == [0, 0.5, 1, 2.5]


def test_a_batch_larger_than_the_data_is_an_error():
    assert plan(10, 10).steps == 3
    with pytest.raises(UserError, match="a batch of 11 images, but only 10"):
        plan(10, 11)


# --- the learning rate, from the words of its documentation


def warm_steps(fit, steps):
    """Linear over `warm_up` epochs, but over at most a tenth of the training."""
    per_epoch = steps / fit.epochs
    return round(min(fit.warm_up * per_epoch, steps / 10))


@settings(deadline=None, max_examples=200)
@given(
    samples=st.integers(20, 400), epochs=st.integers(1, 40), batch=st.integers(1, 20), data=st.data(),
    peak=st.floats(1e-4, 1), warm_up=st.floats(0, 6), schedule=st.sampled_from(["cosine", "step", "constant"]),
)  # fmt: skip
def test_learning_rate_equals_its_closed_form(samples, epochs, batch, data, peak, warm_up, schedule):
    p = plan(samples, batch, epochs, learning_rate=peak, warm_up=warm_up, schedule=schedule)
    step, warm = data.draw(st.integers(0, p.steps - 1)), warm_steps(p.fit, p.steps)
    if step < warm:
        expected = peak * (step + 1) / warm
    elif schedule == "cosine":  # cos(a) = 1 - 2 sin(a / 2)^2, written the other way round
        expected = peak * (1 - math.sin(math.pi / 2 * (step - warm) / (p.steps - warm)) ** 2)
    elif schedule == "step":
        done = 8 * step // p.steps
        expected = peak * {5: 1e-1, 6: 1e-2, 7: 1e-3}.get(done, 1)
    else:
        expected = peak
    assert p.learning_rate(step) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert 0 < p.learning_rate(step) <= peak * (1 + 1e-12)


def test_the_benchmark_schedule_falls_at_150_180_and_210_of_240_epochs():
    p = plan(100, 10, 240, learning_rate=0.05, schedule="step", warm_up=0.0)
    rates = [p.learning_rate(epoch * 10) for epoch in (0, 149, 150, 179, 180, 209, 210, 239)]
    assert rates == pytest.approx([0.05, 0.05, 5e-3, 5e-3, 5e-4, 5e-4, 5e-5, 5e-5])


def test_the_cosine_ends_just_above_zero():
    p = plan(1000, 10, 10, learning_rate=1.0)
    assert p.learning_rate(p.steps - 1) < 1e-3
