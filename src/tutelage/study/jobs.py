"""Says how many runs are trained at once, and where."""

from dataclasses import dataclass

from tutelage.errors import UserError


@dataclass(frozen=True)
class Jobs:
    """How many runs at once, and where."""

    jobs: int = 1
    """Runs at once, each in a process of its own; 1: one after the other in this process; 0: as many as fit."""
    on: str = ""
    """Empty: this machine; "ray": the Ray cluster that it is part of; "ray://HEAD:10001": the one with this head."""
    gpu: float = 1.0
    """The share of a GPU that a run on Ray asks for, where there are GPUs."""

    def __post_init__(self) -> None:
        if self.on and self.on != "ray" and not self.on.startswith("ray://"):
            raise UserError(f"--on {self.on}", "write --on ray, or --on ray://HEAD:10001; without it, this machine")
        if self.jobs < 0:
            raise UserError(f"--jobs {self.jobs}", "give a number of runs, or 0 for as many as fit this machine")


ONE = Jobs()
"""One run after the other, in this process."""
