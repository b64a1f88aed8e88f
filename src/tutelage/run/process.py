"""Says which of several processes this one is, on which device it computes, and what the others say."""

import atexit
import gc
import logging
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tutelage import progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

PATIENCE = timedelta(days=1)
"""How long a process waits for the others: one may have to ask a teacher about many more images than another."""


def _only_this(number: int) -> list[int]:
    """What everyone says where there is nobody else."""
    return [number]


@dataclass(frozen=True)
class Process:
    """One process of a run that several share."""

    device: Any = "cpu"
    """A torch.device or its name."""
    rank: int = 0
    """This process, 0..world-1."""
    world: int = 1
    """How many there are."""
    everyone: Callable[[int], list[int]] = _only_this
    """Takes this process's number and returns those of all, by rank, once all processes have called it."""

    @staticmethod
    def of(fabric: "Fabric") -> "Process":
        """The process that a launched Fabric runs in."""
        gather = _said_by_all if fabric.world_size > 1 else _only_this
        return Process(fabric.device, fabric.global_rank, fabric.world_size, gather)

    @property
    def first(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0

    def mean(self, numbers: "Tensor") -> "Tensor":
        """The mean over all processes of tensors of one shape on their devices."""
        if self.world == 1:
            return numbers
        import torch.distributed as dist

        total = numbers.clone()
        dist.all_reduce(total)
        return total / self.world

    def wait(self) -> None:
        """Returns once all processes have called it."""
        self.everyone(0)


ALONE = Process()
"""The only process there is, on the CPU."""


def be_silent() -> None:
    """From now on this process says nothing below an error: the first one speaks for all."""
    progress.console.quiet = True
    logging.disable(logging.WARNING)


@contextmanager
def without_the_script() -> Generator[None]:
    """Keeps processes that begin in here from running the user's script again.

    multiprocessing would, for what is defined there, and a script without `if __name__ == "__main__":` would begin
    further processes in each. Nothing that is sent to a process here comes from a script.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def leaving_orderly() -> Generator[None]:
    """Has the group of processes taken apart before the interpreter ends, unless something failed in here.

    Gloo's threads may still hold tensors, and abort a process whose interpreter has gone (PyTorch does not stop them,
    and Fabric sees to it for NCCL alone). After an error nobody knows what they wait for: they are left as they are.
    """
    atexit.unregister(_leave)  # a command may make many runs, and leaves once
    atexit.register(_leave)
    try:
        yield
    except Exception:
        atexit.unregister(_leave)
        raise


def _leave() -> None:
    import torch.distributed as dist

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is over but this, and it cannot be taken up again
    _of_hosts.cache_clear()  # a group's threads end with the last that refers to it
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def _said_by_all(number: int) -> list[int]:
    import torch
    import torch.distributed as dist

    numbers = [torch.zeros((), dtype=torch.int64) for _ in range(dist.get_world_size())]
    dist.all_gather(numbers, torch.tensor(number), group=_of_hosts(dist.group.WORLD))
    return [int(number) for number in numbers]


@lru_cache(maxsize=1)
def _of_hosts(world: Any) -> Any:
    """A group of the same processes whose hosts speak to each other: no device is waited for."""
    import torch.distributed as dist

    return dist.new_group(backend="gloo", timeout=PATIENCE)
