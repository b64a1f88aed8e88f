"""Keeps one run on disk: recipe, environment, metrics, results. The folder's name ends in the recipe's hash."""

import glob
import logging
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tutelage import files, sealed
from tutelage.edge import processor
from tutelage.errors import Damaged, UserError
from tutelage.models.delivered import STUDENT, check_student
from tutelage.run import checkpoint, elsewhere, recipe
from tutelage.run.checkpoint import Checkpoints
from tutelage.run.engine import Engine
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace

log = logging.getLogger(__name__)

WRITTEN_BY_TRAINING = ("card", "cost")
"""Results that every finished run has."""
WRITTEN_LATER = {
    "export": "tutelage export RUN writes it again",
    "test": "tutelage distill with the study's recipe writes it again",
    "handed_over": "tutelage distill with the study's recipe writes it again",
    "doubt": "tutelage export RUN --force writes it again",
}
"""What makes results again that training does not write."""


@dataclass(frozen=True)
class Run:
    """A run's folder. Nothing is kept in memory that the folder does not say.

    Its files are sealed as those of "run-HASH", with the recipe's hash.
    """

    path: Path

    @staticmethod
    def of(recipe: Recipe, runs: Path) -> "Run":
        """The run of a recipe: made where it does not exist yet; its recipe.json says where the files were last."""
        run = Run(Workspace(Path(runs)).folder(recipe))
        file, output, seen = run.path / "recipe.json", recipe.to_dict(), {"folder": str(Path.cwd())}
        try:
            if file.exists() and (not run.title or (sealed.read_json(file) == output and run.result("seen") == seen)):
                return run
        except Damaged as damaged:
            log.warning("%s; it is written again", damaged.message)
        if not file.exists():
            _say_what_changed(recipe, run)
        sealed.write_json(file, output, f"run-{recipe.hash}/recipe.json")
        sealed.write_json(run.path / "seen.json", seen, f"run-{recipe.hash}/seen.json")
        return Run(run.path)

    @staticmethod
    def open(path: Path) -> "Run":
        """An existing run.

        Raises:
            UserError: the folder holds none.
        """
        if not (Path(path) / "recipe.json").is_file():
            raise elsewhere.no_run(Path(path))
        return Run(Path(path))

    @cached_property
    def recipe(self) -> Recipe:
        """Every field, defaults included."""
        assert self.title is not None  # compared first: a damaged file is no recipe
        try:
            folder = (self.result("seen") or {}).get("folder")
        except Damaged as damaged:
            log.warning("%s; relative paths are looked for from here alone", damaged.message)
            folder = None
        return recipe.from_file(self.path / "recipe.json", None if folder is None else Path(folder))

    @cached_property
    def title(self) -> str:
        """What its files are sealed as; empty: a version that wrote no seals has begun it.

        Raises:
            Damaged: recipe.json is not as it was written, or another run's.
        """
        file = self.path / "recipe.json"
        hint = "tutelage train, or distill, with the same recipe writes it again, and the run goes on"
        try:
            title = sealed.owner(file)
        except Damaged as damaged:
            raise Damaged.of(file, damaged.reason, hint) from None
        named = re.search(r"-([0-9a-f]{8})$", self.path.resolve().name)
        if title and named and title != f"run-{named[1]}":
            raise Damaged.of(file, f"it is that of {title}", hint)
        return title

    def what(self, name: str) -> str:
        """The identity of one of its files."""
        return f"{self.title}/{name}"

    @property
    def done(self) -> bool:
        """Whether the last step has been made and the final weights are written."""
        return (self.path / "DONE").exists()

    def changes(self) -> str:
        """A sentence where what the recipe names (code, weights, images) is not what it was in training; else empty."""
        try:
            same = not self.title or self.recipe.hash == self.title.removeprefix("run-")
        except UserError:  # not there any more: who needs it says so
            same = True
        return (
            "" if same else f"{self.path}: the code, weights or images of its recipe have changed since it was trained"
        )

    @property
    def weights(self) -> Path:
        """The final weights (averaged ones where the recipe averages)."""
        return self.path / STUDENT

    def log(self, step: int, split: str, values: dict[str, float]) -> None:
        """Appends one line to metrics.jsonl for each value."""
        lines = [{"step": step, "split": split, "name": name, "value": value} for name, value in values.items()]
        files.append_lines(self.path / "metrics.jsonl", lines)

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl.

        Raises:
            Damaged: they are not those that were written.
        """
        written = self._done.get("metrics_sha256")
        if written is not None:
            file = self.path / "metrics.jsonl"
            if not file.exists() or files.file_digest(file) != written:
                raise Damaged.of(file, "its checksum is not the one in DONE", self._again)
        return files.read_lines(self.path / "metrics.jsonl")

    def curve(self, split: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one metric."""
        return [(m["step"], m["value"]) for m in self.metrics() if m["split"] == split and m["name"] == name]

    def forget_after(self, step: int) -> None:
        """Drops metrics of steps that will be made again: what is left is what the checkpoint of that step has."""
        of_then = self.checkpoints.folder / f"step_{step:08d}" / "metrics.jsonl"
        if of_then.exists():
            with files.appearing(self.path / "metrics.jsonl") as beside:
                beside.write_bytes(of_then.read_bytes())
            return
        earlier = [metric for metric in self.metrics() if metric["step"] <= step] if step else []
        if (self.path / "metrics.jsonl").exists():
            with files.appearing(self.path / "metrics.jsonl") as beside:
                beside.touch()
                files.append_lines(beside, earlier)

    def result(self, name: str) -> Any:
        """A JSON result of the run ("evaluation", "export", "cost"), or None where it is not there yet."""
        path = self.path / f"{name}.json"
        if path.exists():
            try:
                return sealed.read_json(path, self.what(path.name), required=bool(self.title))
            except Damaged as damaged:
                raise Damaged.of(path, damaged.reason, WRITTEN_LATER.get(name, self._again)) from None
        if self.done and name in WRITTEN_BY_TRAINING:
            raise Damaged.of(path, "it is gone", self._again)
        return None

    def keep(self, name: str, value: dict[str, Any]) -> None:
        """Writes a JSON result: what `result` reads."""
        sealed.write_json(self.path / f"{name}.json", value, self.what(f"{name}.json"))

    @property
    def checkpoints(self) -> Checkpoints:
        """The folder of its checkpoints, which are sealed as its own."""
        return Checkpoints(self.path / "checkpoints", self.title)

    def finish(self, steps: int) -> None:
        """Says that all of so many steps are made and everything that training writes is written."""
        metrics = self.path / "metrics.jsonl"
        seals = {"metrics_sha256": files.file_digest(metrics)} if metrics.exists() else {}
        sealed.write_json(self.path / "DONE", {"steps": steps} | seals, self.what("DONE"))

    @property
    def last_step(self) -> int | None:
        """How many steps a finished run has made; None: a version that did not write it down has finished it."""
        return self._done.get("steps")

    def damage(self) -> Damaged | None:
        """What of a finished run is not as training wrote it; training makes it again from the last checkpoint."""
        try:
            check_student(self.weights)
            for name in WRITTEN_BY_TRAINING:
                self.result(name)
            self.metrics()
            checkpoint.check(self.checkpoints, self.last_step)
        except Damaged as damaged:
            return damaged
        return None

    @property
    def _done(self) -> dict[str, Any]:
        file = self.path / "DONE"
        if not file.exists() or file.stat().st_size == 0:  # earlier versions wrote an empty one
            return {}
        try:
            return sealed.read_json(file, self.what("DONE"), required=True)
        except Damaged as damaged:
            raise Damaged.of(file, damaged.reason, self._again) from None

    @property
    def _again(self) -> str:
        return f"tutelage train {self.path} makes it again from the run's last checkpoint"


def _say_what_changed(recipe: Recipe, run: Run) -> None:
    """A new run beside one of the same words: names do not say that code, weights or images are others now."""
    for file in sorted(run.path.parent.glob(f"{glob.escape(recipe.name[:-8])}*/recipe.json")):
        try:
            before = sealed.read_json(file)
        except Damaged:
            continue
        if before == recipe.to_dict():
            log.info(
                "%s has the same recipe, but the code, weights or images that it names have changed since: "
                "%s is trained anew", file.parent, run.path.name
            )  # fmt: skip


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


@cache
def _commit() -> str | None:
    here = Path(__file__).parent
    output = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return output.stdout.strip() or None
