"""Reads sizes of memory as engineers write them: 256k, 96 KiB, 1M."""

import re
from typing import NamedTuple

from tutelage.errors import UserError

UNITS = {"": 1, "k": 1024, "kb": 1000, "kib": 1024, "m": 1024**2, "mb": 1000**2, "mib": 1024**2}
"""A controller's data sheet says 256k and means 256 x 1024; kB and MB are decimal, as everywhere in tutelage."""


def parsed(text: str, flag: str) -> int:
    """A number of bytes.

    >>> [parsed(text, "--flash") for text in ("256k", "96 KiB", "0.5M", "64kB", "1000")]
    [262144, 98304, 524288, 64000, 1000]

    Args:
        text: A number and a unit.
        flag: Where it was written, for the message.

    Raises:
        UserError: it is neither, or no bytes at all.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    unit = UNITS.get(match[2].lower()) if match else None
    # Mb is a megabit and kb a kilobit; B alone says nothing that a number does not.
    if match is None or unit is None or match[2].endswith("b"):
        raise UserError(
            f'{flag} "{text}" is no size of memory', "write a number and k, kB, KiB, M, MB or MiB: 256k, for example"
        )
    if not float(match[1]) or float(match[1]) * unit < 1:
        raise UserError(f"{flag} {text} is less than one byte", "write what your chip has: 256k, for example")
    return int(float(match[1]) * unit)


class Budget(NamedTuple):
    """What a microcontroller has for a student."""

    flash: int
    """Bytes for the model and the code that runs it."""
    ram: int
    """Bytes for the tensor arena."""

    def __str__(self) -> str:
        return f"{in_k(self.flash)}/{in_k(self.ram)}"


def budget(text: str, flag: str) -> Budget:
    """Flash and RAM.

    >>> budget("256k/96k", "--fit-in")
    Budget(flash=262144, ram=98304)

    Args:
        text: Two sizes with a stroke between them.
        flag: Where it was written, for the message.

    Raises:
        UserError: it is something else.
    """
    parts = text.split("/")
    if len(parts) != 2:
        raise UserError(f'{flag} "{text}" is no FLASH/RAM', f"write two sizes of memory: {flag} 256k/96k, for example")
    return Budget(*(parsed(part, flag) for part in parts))


def in_k(count: int) -> str:
    """Bytes as a data sheet writes them.

    >>> in_k(262144), in_k(1000), in_k(2 << 20)
    ('256k', '1000', '2M')
    """
    for unit, size in (("M", 1024**2), ("k", 1024)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
