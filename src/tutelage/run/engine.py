"""Says where a run runs: devices, precision, compilation. It changes the speed, not the recipe."""

import inspect
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tutelage.errors import UserError
from tutelage.run.launched import Launched, launched

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"auto": "32-true", "fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Engine:
    """Fabric's settings that a user may want to change."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: a GPU where there is one."""
    devices: int = 1
    """Processes on every node, each with a device of its own (CPU: gloo); with torchrun or srun: as many as started."""
    nodes: int = 1
    """Machines that share the run: torchrun, srun or fabric run starts the processes on them, and says how many."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """The number format of the student's forward pass; weights and losses stay float32. auto: fp32; on a processor the
    faster of fp32 and bf16, timed once for all runs that are compared with each other."""
    compile: bool = False
    """torch.compile the training step."""
    graphs: bool = False
    """On one GPU: record the training step as CUDA graphs and replay it; several times as fast for small networks."""
    threads: int = 0
    """CPU threads a process; 0: torch's choice; in training one, or more where a long run is clearly faster so."""
    workers: int = -1
    """Processes that make views of photos ahead; 0: none; -1: up to 8 beside a GPU, none where the CPU trains."""
    save_every: float = 10.0
    """Minutes between two checkpoints within an epoch, > 0; there is one at the end of every epoch too."""

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "save_every"):
            if not getattr(self, name) > 0:
                raise UserError(f"engine.{name} = {getattr(self, name)!r}", f"{name} must be above 0")

    @property
    def processes(self) -> int:
        """All that share a run, on all nodes.

        Raises:
            UserError: a launcher has started others than these settings say.
        """
        here, nodes, _ = self._processes()
        return here * nodes

    @property
    def starts_processes(self) -> bool:
        """Whether several processes share a run and none of them is there yet."""
        return self.processes > 1 and launched() is None

    def fabric(self) -> "Fabric":
        """The Fabric these settings describe, and torch's threads set.

        Raises:
            UserError: the device is not there, cannot compute in that precision, or is asked to run several processes.
        """
        import torch
        from lightning_fabric import Fabric

        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # what it tells of processes is no news
        here, nodes, started = self._processes()
        accelerator = self._accelerator(here, started)
        if accelerator == "cpu" and self.precision == "fp16":
            # Fabric would compute in bfloat16 instead and only warn.
            raise UserError(
                "engine.precision = fp16 needs a GPU", "on a CPU use fp32, or bf16 where it has instructions for it"
            )
        if self.graphs and (accelerator != "cuda" or here * nodes > 1):
            raise UserError(
                f"engine.graphs is for one GPU; here: device {accelerator}, {here * nodes} of them",
                "leave out engine.graphs",
            )
        if self.threads:
            torch.set_num_threads(self.threads)
        settings: dict[str, Any] = {"accelerator": accelerator, "precision": PRECISIONS[self.precision]}
        try:
            return Fabric(devices=here, num_nodes=nodes, **settings, **_several(here * nodes, started))
        except (ValueError, RuntimeError) as error:  # `fabric run` and SLURM have a word in this, too
            raise UserError(
                str(error).strip().splitlines()[0], "say the same to the launcher and to --engine"
            ) from None

    def _processes(self) -> tuple[int, int, Launched | None]:
        """How many on this node, on how many nodes, and who has started them."""
        started = launched()
        if started is None and self.nodes > 1:
            raise UserError(
                f"engine.nodes = {self.nodes}, and no launcher has started this process",
                f"on every node: torchrun --nnodes {self.nodes} --nproc-per-node {self.devices} ... -m tutelage train",
            )
        if started is None:
            return self.devices, self.nodes, None
        for name, wanted, found in (("devices", self.devices, started.here), ("nodes", self.nodes, started.nodes)):
            if wanted not in (1, found):
                raise UserError(
                    f"engine.{name} = {wanted}, and {started.by} has started {started.here} processes on each of "
                    f"{started.nodes} nodes",
                    f"leave out engine.{name}: {started.by} says it",
                )
        return started.here, started.nodes, started

    def _accelerator(self, here: int, started: Launched | None) -> str:
        """The device, once it is sure that there is one for every process of this node."""
        import torch

        counts = {
            "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
            "mps": int(torch.backends.mps.is_available()),
        }
        name = self.device
        if name == "auto":
            name = "cuda" if counts["cuda"] else "cpu"
        if name != "cpu" and not counts[name]:
            raise UserError(f"engine.device = {name}, but torch sees none", "use --engine.device cpu")
        if name != "cpu" and counts[name] < here:
            raise UserError(
                f"{here} processes on this machine, and torch sees {counts[name]} {name} devices: each needs its own",
                "start fewer processes; under SLURM ask for --gpus-per-node, since with --gpus-per-task each sees one"
                if started
                else "use --engine.device cpu, or fewer devices",
            )
        return name


def _several(processes: int, started: Launched | None) -> dict[str, Any]:
    """How Fabric starts and joins several processes; nothing of it where there is one."""
    from lightning_fabric.plugins.environments import (
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )
    from lightning_fabric.strategies import DDPStrategy
    from torch.nn.parallel import DistributedDataParallel

    # Said and not guessed by Fabric: one process alone in a job of SLURM would wait for others.
    if started is None:
        environment = LightningEnvironment()
    elif started.by == "srun":
        os.environ["SLURM_NTASKS_PER_NODE"] = str(started.here)  # Fabric wants it said, also where `srun -n` says all
        environment = SLURMEnvironment(auto_requeue=False)
    else:
        environment = TorchElasticEnvironment()
    if processes == 1:
        return {"plugins": [environment]}
    # Every process moves its buffers alike (statistics of all, memories of all): none has to send them.
    known = inspect.signature(DistributedDataParallel).parameters
    quiet: dict[str, Any] = {name: False for name in ("forward_sync_buffers", "broadcast_buffers") if name in known}
    ddp = DDPStrategy(start_method="popen" if started else "spawn", **dict([*quiet.items()][:1]))
    return {"strategy": ddp, "plugins": [environment]}
