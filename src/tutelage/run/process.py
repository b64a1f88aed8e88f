"""Says which of several processes this one is, and on which device it computes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def _nobody_else() -> None:
    """What waiting for the others means where there are none."""


@dataclass(frozen=True)
class Process:
    """One process of a run that several share."""

    device: Any = "cpu"
    """A torch.device or its name."""
    rank: int = 0
    """This process, 0..world-1."""
    world: int = 1
    """How many there are."""
    wait: Callable[[], Any] = _nobody_else
    """Returns once all processes have called it."""

    @staticmethod
    def of(fabric: "Fabric") -> "Process":
        """The process that a launched Fabric runs in."""
        return Process(fabric.device, fabric.global_rank, fabric.world_size, fabric.barrier)

    @property
    def first(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0


ALONE = Process()
"""The only process there is, on the CPU."""
