"""Draws random numbers that have an address: each is a pure function of the integers that name it.

The generator is splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", fig. 17) used
as a hash: int64 tensor arithmetic wraps modulo 2^64 on every device, so CPU and GPU give the same bits, and no draw
depends on an earlier one.
"""

import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

RNG_VERSION = 1
"""Part of every cache's identity: raise it when any draw changes."""

_GAMMA = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed number
_MIX1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
_MIX2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift: int64's own shift would copy the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    """The finaliser of splitmix64: a bijection of 64-bit integers that scatters neighbours.

    The first output of the published generator seeded with 0 is 0xE220A8397B1DCDAF:

    >>> hex(mix(torch.tensor([0])).item() % 2**64)
    '0xe220a8397b1dcdaf'
    """
    x = x + _GAMMA
    x = (x ^ _shift_right(x, 30)) * _MIX1
    x = (x ^ _shift_right(x, 27)) * _MIX2
    return x ^ _shift_right(x, 31)


def key(seed: int, *parts: Int64[Tensor, "*#shape"] | int | str) -> Int64[Tensor, "..."]:
    """One 64-bit key per address.

    Args:
        seed: Any integer; taken modulo 2^64.
        *parts: What names the draw: sample numbers, view numbers, a purpose in words. Tensors must broadcast.
    """
    state = _seed_state(seed)  # of no dimension: a GPU's tensors take it as a number
    for part in parts:
        if isinstance(part, str):
            part = zlib.crc32(part.encode())
        state = mix(state ^ (_signed(part) if isinstance(part, int) else part))
    return state


def uniform(keys: Int64[Tensor, " B"], draws: int) -> Float32[Tensor, "B draws"]:
    """Numbers in [0, 1), 24 bits each: every value is exact in float32."""
    counter = torch.arange(1, draws + 1, device=keys.device)
    bits = _shift_right(mix(keys[:, None] + counter * _GAMMA), 40)
    return bits.to(torch.float32) * (1.0 / (1 << 24))


def below(keys: Int64[Tensor, " B"], limit: int) -> Int64[Tensor, " B"]:
    """Integers in 0..limit-1 (modulo of 63 bits: the bias is below limit / 2^63)."""
    return _shift_right(mix(keys), 1) % limit


def permutation(seed: int, epoch: int, samples: int, device: torch.device | str = "cpu") -> Int64[Tensor, " samples"]:
    """The order of one epoch: positions sorted by their keys (ties, of probability < N^2 / 2^64, by position)."""
    return torch.argsort(key(seed, epoch, "order", torch.arange(samples, device=device)), stable=True)


def integer(seed: int, *parts: int | str) -> int:
    """One key as a non-negative Python integer below 2^63: to seed generators that are not ours."""
    return int(_shift_right(key(seed, *parts), 1))


@contextmanager
def seeded(seed: int, *parts: int | str) -> Generator[None]:
    """torch's own CPU generator, seeded by an address inside the block and restored after it."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(integer(seed, *parts))
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seeds the generators of a step's own draws (dropout): torch's of the CPU, and that of the device.

    `torch.manual_seed` does the same for all devices there are, in forty times the time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@lru_cache(maxsize=256)
def _seed_state(seed: int) -> Int64[Tensor, ""]:
    return mix(torch.tensor(_signed(seed), device="cpu"))


def _signed(number: int) -> int:
    number %= 1 << 64
    return number - (1 << 64) if number >= 1 << 63 else number
