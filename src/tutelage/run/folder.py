"""Keeps one run on disk: recipe, environment, metrics, results. The folder's name ends in the recipe's hash."""

import logging
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage import files
from tutelage.edge import processor
from tutelage.errors import UserError
from tutelage.run import recipe
from tutelage.run.engine import Engine
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A run's folder. Nothing is kept in memory that the folder does not say."""

    path: Path

    @staticmethod
    def of(recipe: Recipe, runs: Path) -> "Run":
        """The run of a recipe: made where it does not exist yet."""
        run = Run(Path(runs) / recipe.name)
        if not (run.path / "recipe.json").exists():
            files.write_json(run.path / "recipe.json", recipe.to_dict())
        return run

    @staticmethod
    def open(path: Path) -> "Run":
        """An existing run.

        Raises:
            UserError: the folder holds none.
        """
        if not (Path(path) / "recipe.json").is_file():
            raise UserError(f"{path} holds no run (no recipe.json)", "tutelage train RECIPE makes one")
        return Run(Path(path))

    @cached_property
    def recipe(self) -> Recipe:
        """Every field, defaults included."""
        return recipe.from_file(self.path / "recipe.json")

    @property
    def done(self) -> bool:
        """Whether the last step has been made and the final weights are written."""
        return (self.path / "DONE").exists()

    @property
    def weights(self) -> Path:
        """The final weights (averaged ones where the recipe averages)."""
        return self.path / "student.safetensors"

    def log(self, step: int, split: str, values: dict[str, float]) -> None:
        """Appends one line to metrics.jsonl for each value."""
        lines = [{"step": step, "split": split, "name": name, "value": value} for name, value in values.items()]
        files.append_lines(self.path / "metrics.jsonl", lines)

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl."""
        return files.read_lines(self.path / "metrics.jsonl")

    def curve(self, split: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one metric."""
        return [(m["step"], m["value"]) for m in self.metrics() if m["split"] == split and m["name"] == name]

    def forget_after(self, step: int) -> None:
        """Drops metrics of steps that will be made again."""
        kept = [metric for metric in self.metrics() if metric["step"] <= step]
        if len(kept) < len(self.metrics()):
            with files.appearing(self.path / "metrics.jsonl") as beside:
                beside.touch()
                files.append_lines(beside, kept)

    def result(self, name: str) -> Any:
        """A JSON result of the run ("evaluation", "export", "cost"), or None where it is not there yet."""
        path = self.path / f"{name}.json"
        return files.read_json(path) if path.exists() else None


@contextmanager
def logged(run: Run) -> Generator[None]:
    """What the package logs inside the block also goes to the run's log.txt, with the time."""
    handler = logging.FileHandler(run.path / "log.txt", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("tutelage")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def environment(engine: Engine, process: Process | None = None) -> dict[str, Any]:
    """What a number may depend on besides the recipe: commit, versions, machine, engine, device, command line.

    Args:
        engine: As it was asked for.
        process: What computes; None: what the engine comes to here.
    """
    from importlib.metadata import version

    import torch

    process = process or Process.of(engine.fabric())
    packages = ("torch", "torchvision", "timm", "lightning-fabric", "numpy", "scikit-learn")
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {"tutelage": version("tutelage")} | {name: version(name) for name in packages},
        "machine": machine(),
        "engine": asdict(engine),
        "device": torch.device(process.device).type,
        "world": process.world,
    }


def machine() -> dict[str, Any]:
    """The processor's name, its instruction sets for 8-bit products, its cores, torch's threads and the GPU."""
    import torch

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor.name(),
        "int8_instructions": processor.instruction_sets(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _commit() -> str | None:
    here = Path(__file__).parent
    told = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or None
