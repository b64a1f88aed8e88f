"""The generator against its published outputs and against Python's unbounded integers; statistics; addresses."""

import zlib

import pytest
import torch
from scipy import stats

from tutelage import rng

# splitmix64's outputs: for seed 0 and 1234567, as printed by the public-domain C code of Vigna
# (prng.di.unimi.it/splitmix64.c); the second list is also the example of Rosetta Code's task "Splitmix64".
PUBLISHED = {
    0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F],
    1234567: [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ],
}
MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def splitmix64(state: int) -> int:
    """One output, in Python's integers (Steele, Lea & Flood 2014, fig. 17)."""
    z = (state + GAMMA) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def unsigned(values: torch.Tensor) -> list[int]:
    return [value % (1 << 64) for value in values.flatten().tolist()]


@pytest.mark.parametrize("seed", PUBLISHED)
def test_published_outputs(seed):
    expected = PUBLISHED[seed]
    states = [signed((seed + i * GAMMA) & MASK) for i in range(len(expected))]
    assert unsigned(rng.mix(torch.tensor(states))) == expected
    assert [splitmix64(state & MASK) for state in states] == expected


def test_mix_equals_python_integers_on_extreme_values():
    values = [0, 1, -1, 2**63 - 1, -(2**63), -(2**62), 12345678901234567]
    assert unsigned(rng.mix(torch.tensor(values))) == [splitmix64(value & MASK) for value in values]


@pytest.mark.parametrize("seed", [0, 7, -1, 2**63, 2**64 + 7])
def test_key_folds_in_one_part_after_another(seed):
    state = splitmix64(seed & MASK)
    for part in (11, 5, zlib.crc32(b"partner")):
        state = splitmix64(state ^ part)
    assert unsigned(rng.key(seed, torch.tensor([11]), 5, "partner")) == [state]
    assert rng.integer(seed, 11, 5, "partner") == state >> 1


def test_key_broadcasts_and_does_not_depend_on_the_batch():
    sample, view = torch.arange(40), torch.arange(3)
    table = rng.key(3, sample[:, None], view)
    for i in (0, 17, 39):
        for j in range(3):
            assert rng.key(3, sample[i : i + 1], view[j : j + 1]) == table[i, j]


def test_neighbouring_addresses_have_different_keys():
    sample, view = torch.arange(20_000), torch.arange(8)
    keys = torch.cat([rng.key(seed, sample[:, None], view).flatten() for seed in (0, 1)])
    assert len(keys.unique()) == len(keys)
    assert not set(rng.key(0, sample, 1).tolist()) & set(rng.key(0, sample, "1").tolist())


def test_uniform_is_the_top_24_bits_of_the_sequence():
    start = 987654321
    draws = rng.uniform(torch.tensor([start]), 4)[0]
    expected = [(splitmix64((start + (i + 1) * GAMMA) & MASK) >> 40) / 2**24 for i in range(4)]
    assert draws.tolist() == expected


def test_a_draw_does_not_depend_on_how_many_are_drawn():
    keys = rng.key(1, torch.arange(9))
    assert torch.equal(rng.uniform(keys, 8)[:, :3], rng.uniform(keys, 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_uniform_is_uniform_and_its_draws_are_independent(seed):
    draws = rng.uniform(rng.key(seed, torch.arange(100_000)), 4)
    assert draws.min() >= 0
    assert draws.max() < 1
    for i in range(4):
        counts = torch.histc(draws[:, i], bins=64, min=0, max=1)
        assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    cells = (draws[:, 0] * 8).long() * 8 + (draws[:, 1] * 8).long()
    assert stats.chisquare(cells.bincount(minlength=64).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_consecutive_views_of_a_sample_are_independent(seed):
    sample = torch.arange(100_000)
    first, second = (rng.uniform(rng.key(seed, sample, view), 1)[:, 0] for view in (0, 1))
    cells = (first * 8).long() * 8 + (second * 8).long()
    assert stats.chisquare(cells.bincount(minlength=64).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("limit", [1, 2, 10, 1000])
def test_below_is_uniform(limit):
    numbers = rng.below(rng.key(5, torch.arange(100_000)), limit)
    counts = numbers.bincount(minlength=limit)
    assert len(counts) == limit
    assert limit == 1 or stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_permutation_is_one_and_changes_with_seed_and_epoch():
    orders = [rng.permutation(seed, epoch, 1000) for seed in (0, 1) for epoch in (0, 1)]
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(1000))
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_permutation_sends_every_sample_everywhere():
    places = torch.stack([rng.permutation(0, epoch, 10) for epoch in range(2000)])
    for position in range(10):
        assert stats.chisquare(places[:, position].bincount(minlength=10).numpy()).pvalue > 1e-4


def test_the_default_device_has_no_say():
    """Seeds that no test has used before: what is computed for them is kept."""
    with torch.device("meta"):
        integer, order = rng.integer(9_000_001, "a"), rng.permutation(9_000_002, 3, 10)
    assert integer == rng.integer(9_000_001, "a")
    assert order.tolist() == rng.permutation(9_000_002, 3, 10).tolist()


def test_seeded_draws_by_address_and_leaves_no_trace():
    before = torch.default_generator.get_state()
    with rng.seeded(4, "weights"):
        first = torch.randn(3)
    assert torch.equal(torch.default_generator.get_state(), before)
    torch.randn(5)
    with rng.seeded(4, "weights"):
        assert torch.equal(torch.randn(3), first)
    with rng.seeded(5, "weights"):
        assert not torch.equal(torch.randn(3), first)


def test_seeded_restores_after_an_error():
    before = torch.default_generator.get_state()
    with pytest.raises(RuntimeError), rng.seeded(1):
        torch.randn(-1)
    assert torch.equal(torch.default_generator.get_state(), before)
