"""Says which processes a launcher (torchrun, fabric run, srun) has started, of which this one is one."""

import os
from typing import NamedTuple

from tutelage.errors import UserError


class Launched(NamedTuple):
    """Processes that a launcher has started for one command."""

    by: str
    """The launcher's name, for messages."""
    rank: int
    """This process, 0..world-1."""
    here: int
    """How many there are on this node."""
    nodes: int

    @property
    def world(self) -> int:
        """How many there are on all nodes."""
        return self.here * self.nodes


def met() -> bool:
    """Whether a Fabric's processes meet as soon as it is made: those of `fabric run` do."""
    return os.environ.get("LT_CLI_USED") == "1"


def launched() -> Launched | None:
    """What a launcher has started; None where nobody has, or one process alone.

    Inside a job of SLURM only `srun` starts processes: the job's own script is one, whatever the job has asked for.

    Raises:
        UserError: the nodes have unequal numbers of processes.
    """
    environment = os.environ
    if {"WORLD_SIZE", "RANK", "LOCAL_RANK"} <= environment.keys():
        world, rank = int(environment["WORLD_SIZE"]), int(environment["RANK"])
        by, here = "fabric run" if met() else "torchrun", int(environment.get("LOCAL_WORLD_SIZE", world))
        nodes = -(-world // here)
    elif "SLURM_STEP_NUM_TASKS" in environment:
        world, rank = int(environment["SLURM_STEP_NUM_TASKS"]), int(environment.get("SLURM_PROCID", "0"))
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES", "1")))
        by, here = "srun", world // nodes
    else:
        return None
    if here * nodes != world:
        raise UserError(
            f"{by} has started {world} processes on {nodes} nodes, not equally many on each",
            "start as many on each node as it has devices",
        )
    return Launched(by, rank, here, nodes) if world > 1 else None
