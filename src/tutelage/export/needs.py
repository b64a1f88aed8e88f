"""Says what a file of 8 bits takes of a microcontroller, flash and RAM, and whether that is there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tutelage.edge import card
from tutelage.edge.flatbuffer import micro
from tutelage.errors import UserError
from tutelage.export import graph
from tutelage.export.resolver import CORE, RESOLVER


class Needs(NamedTuple):
    """What it takes to run a file by TensorFlow Lite Micro."""

    model: int
    """Bytes of the flat buffer; a card at its end stays off the chip."""
    code: int
    """Bytes of the interpreter and of the operators: an estimate, see `resolver`."""
    head: int
    """Bytes of the tensor arena for activations, measured."""
    tail: int
    """Bytes of the arena for what the interpreter knows of operators and tensors, measured with 64-bit pointers: a
    32-bit controller takes less."""
    operators: tuple[str, ...]
    """Each once, sorted."""

    @property
    def flash(self) -> int:
        """Model and code."""
        return self.model + self.code

    @property
    def arena(self) -> int:
        """Head and tail."""
        return self.head + self.tail

    def told(self) -> dict[str, Any]:
        """As export.json has it."""
        flash = {"total": self.flash, "model": self.model, "code_estimate": self.code}
        ram = {"arena": self.arena, "head": self.head, "tail": self.tail}
        return {"flash_bytes": flash, "ram_bytes": ram, "operators": list(self.operators)}


def needs(path: Path) -> Needs:
    """Reads a file's operators and runs it once by TensorFlow Lite Micro.

    Raises:
        UserError: an operator that it lacks; a file that it refuses.
    """
    operators = graph.operators(path)
    graph.refuse_unknown(operators, RESOLVER)
    names = tuple(sorted({operator.name for operator in operators}))
    arena = micro(path).arena()
    code = CORE + sum(RESOLVER[name].code for name in names)
    return Needs(card.starts(path), code, arena.head, arena.tail, names)


def refuse_too_large(it: Needs, flash: int | None, ram: int | None) -> None:
    """Raises UserError where a file takes more than there is.

    Args:
        it: What it takes.
        flash: Bytes; None: whatever it takes.
        ram: Bytes; None: whatever it takes.
    """
    over: Sequence[str] = [
        f"{name}: {taken:,} bytes {words}, and {limit:,} are there"
        for name, taken, limit, words in (
            ("flash", it.flash, flash, f"({it.model:,} of the model, about {it.code:,} of code)"),
            ("RAM", it.arena, ram, f"({it.head:,} for activations, at most {it.tail:,} for the interpreter)"),
        )
        if limit is not None and taken > limit
    ]
    if over:
        raise UserError(
            f"the student does not fit: {'; '.join(over)}",
            "train a narrower student, or one of smaller images",
        )
