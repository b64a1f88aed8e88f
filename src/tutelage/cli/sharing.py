"""One command in several processes (torchrun, srun): the first one speaks, the others only of what it cannot know."""

import io
import sys
from contextlib import suppress

from tutelage.errors import UserError
from tutelage.run.launched import launched

SHARED = ("train", "cache")
"""The commands whose work several processes share."""


def rank() -> int:
    """This process among those that a launcher has started for this command, 0: the first, or the only one."""
    with suppress(UserError):  # `join` says it
        started = launched()
        return started.rank if started is not None else 0
    return 0


def join(arguments: list[str]) -> None:
    """Lets all but the first process be silent.

    Raises:
        UserError: the command is for one process, or the launcher has not started as many on each node.
    """
    started = launched()
    if started is None:
        return
    if started.rank:
        from tutelage.run.process import be_silent

        sys.stdout = io.StringIO()
        be_silent()
    if arguments and arguments[0] not in SHARED:
        raise UserError(
            f"{started.by} has started {started.world} processes, and tutelage {arguments[0]} is for one",
            "train and cache fill share their work among them; "
            "distill and tune start a process for each device themselves: --engine.devices",
        )


def last_words(text: str) -> str:
    """What a process says when it ends; nothing where the first says the same.

    Until the processes have met, all make the same mistakes.
    """
    number = rank()
    if not number or not text.strip():
        return text
    distributed = sys.modules.get("torch.distributed")
    met = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return f"process {number}: {text.strip()}" if met else ""
