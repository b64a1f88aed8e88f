"""Says where a run runs: devices, precision, compilation. It changes the speed, not the recipe."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tutelage.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"auto": "32-true", "fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Engine:
    """Fabric's settings that a user may want to change."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: a GPU where there is one."""
    devices: int = 1
    """Processes, each with a device of its own (CPU: gloo)."""
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

    def fabric(self) -> "Fabric":
        """The Fabric these settings describe, and torch's threads set.

        Raises:
            UserError: the device is not there, or cannot compute in that precision.
        """
        import torch
        from lightning_fabric import Fabric

        accelerator = "cuda" if self.device == "auto" and torch.cuda.is_available() else self.device
        accelerator = "cpu" if accelerator == "auto" else accelerator
        if accelerator == "cuda" and torch.cuda.device_count() < self.devices:
            raise UserError(
                f"engine.device = cuda with {self.devices} devices, but torch sees {torch.cuda.device_count()}",
                "use --engine.device cpu, or fewer devices",
            )
        if accelerator == "mps" and not torch.backends.mps.is_available():
            raise UserError("engine.device = mps, but torch sees none", "use --engine.device cpu")
        if accelerator == "cpu" and self.precision == "fp16":
            # Fabric would compute in bfloat16 instead and only warn.
            raise UserError(
                "engine.precision = fp16 needs a GPU", "on a CPU use fp32, or bf16 where it has instructions for it"
            )
        if self.graphs and (accelerator != "cuda" or self.devices > 1 or self.compile):
            raise UserError(
                "engine.graphs is for one GPU, without engine.compile; here: "
                f"device {accelerator}, {self.devices} of them, {'' if self.compile else 'not '}compiled",
                "leave out engine.graphs",
            )
        if self.threads:
            torch.set_num_threads(self.threads)
        # A launcher (torchrun, fabric run) has started the processes already; else we start them.
        several = "ddp" if "WORLD_SIZE" in os.environ else "ddp_spawn"
        return Fabric(
            accelerator=accelerator,
            devices=self.devices,
            strategy=several if self.devices > 1 else "auto",
            precision=PRECISIONS[self.precision],  # ty: ignore[invalid-argument-type]
        )
