"""Every method in two processes against one: the largest difference of a weight after ten steps in float32.

A student with BatchNorm learns the digits from a teacher of random weights; the two processes share each batch, on the
CPU, through gloo. What is compared: all weights and statistics of the student and of the method's adapters, memory
banks among them. One pair of processes trains all methods, one after the other, by the loop that trains every run.

    python benchmarks/processes.py [--methods kd rkd] [--learning-rate 0.003] [--out FOLDER]
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from _common import RESULTS, write
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods import METHODS
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.run.checkpoint import list_steps
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.launched import launched
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe, TeacherSpec, method_at_defaults
from tutelage.run.workspace import Workspace
from tutelage.training.loop import train

ENGINE = Engine(device="cpu", threads=1)
STUDENT = Model("resnet8")
BATCH, STEPS = 128, 10


def fitting(learning_rate: float) -> Fit:
    """Ten steps; clipped, since some losses are so steep that ten steps multiply the last digit by thousands."""
    return Fit(epochs=1, batch_size=BATCH, learning_rate=learning_rate, clip_norm=1.0)


def recipe(name: str, folder: Path, learning_rate: float) -> Recipe:
    """Ten steps of a method (or of several, NAME+NAME); the teacher's weights are written where they are not yet."""
    method = method_at_defaults(name)
    file = folder / "teacher.safetensors"
    if not file.exists():
        net = build(STUDENT, DataSpec(10, 1, 8, (0.3,), (0.4,)), seed=7).network
        state = {key: 3 * t if key.startswith("linear") else t for key, t in net.state_dict().items()}
        save_file({key: t.contiguous() for key, t in state.items()}, file)
    return Recipe(
        data=Data("digits", part=BATCH * STEPS),
        student=STUDENT,
        teacher=TeacherSpec(replace(STUDENT, weights=str(file))) if method.needs else None,
        method=method,
        augment=Augment(crop_padding=1, flip="none"),
        fit=fitting(learning_rate),
        views=1,
    )


def trained(names: list[str], folder: Path, learning_rate: float) -> None:
    """Ten steps of every method, in one process or in those that torchrun has started."""
    runs = folder / ("one" if launched() is None else "two")
    for name in names:
        train(recipe(name, folder, learning_rate), Workspace(runs, engine=ENGINE))


def trained_in_reverse(names: list[str], folder: Path, learning_rate: float) -> None:
    """The same in one process, with the images of every batch in reverse."""
    forward = Plan.addresses
    Plan.addresses = lambda *given: tuple(part.flip(0) for part in forward(*given))  # ty: ignore[invalid-assignment]
    try:
        for name in names:
            train(recipe(name, folder, learning_rate), Workspace(folder / "reversed", engine=ENGINE))
    finally:
        Plan.addresses = forward


def differences(names: list[str], folder: Path, learning_rate: float = 0.003) -> dict[str, float]:
    """By method: the largest difference between a weight of one process and that of two."""
    trained(names, folder, learning_rate)
    words = ["--methods", *names, "--learning-rate", str(learning_rate), "--share", str(folder)]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    subprocess.run([*command, "--rdzv-endpoint", "localhost:0", __file__, *words], check=True)
    return apart(names, folder, learning_rate, "two")


def apart(names: list[str], folder: Path, learning_rate: float, which: str) -> dict[str, float]:
    """By method: the largest difference between a weight of one process and that of another way."""
    recipes = {name: recipe(name, folder, learning_rate) for name in names}
    return {
        name: largest(weights(recipe, folder / "one"), weights(recipe, folder / which))
        for name, recipe in recipes.items()
    }


def weights(recipe: Recipe, runs: Path) -> dict[str, Tensor]:
    """All that a finished run has trained: the student, the adapters."""
    run = Run(Workspace(runs).folder(recipe))
    last = run.checkpoints.folder / f"step_{list_steps(run.checkpoints.folder)[-1]:08d}"
    files = {part: load_file(last / f"{part}.safetensors") for part in ("student", "adapters")}
    return {f"{part}.{name}": tensor for part, state in files.items() for name, tensor in state.items()}


def largest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two numbers under one name; infinities are equal."""
    assert one.keys() == other.keys()
    pairs = [(one[name].double(), other[name].double()) for name in one if one[name].numel()]
    return max(torch.where(a == b, 0, (a - b).abs()).max().item() for a, b in pairs)


def page(result: dict[str, Any]) -> str:
    """docs/results/processes.md."""
    fit = result["fit"]
    lines = [
        "# Every method in two processes against one",
        "",
        f"`python benchmarks/processes.py`: {STUDENT.name}, which has BatchNorm, learns the digits from a network of "
        f"random weights in {STEPS} steps of {BATCH} images (learning rate {fit['learning_rate']:g}, gradient clipped "
        f"at norm {fit['clip_norm']:g}, float32, CPU, gloo). The numbers are largest differences of any weight or "
        "statistic of the student and of the method's "
        "adapters from those of one process: in two processes, where 1e-4 is what is promised, and in one that has "
        "the images of every batch in reverse, which is rounding and nothing else. *Together*: how the two processes "
        "come to one loss.",
        "",
        "| method | two processes | one, reversed | together |",
        "|---|---:|---:|---|",
    ]
    for row in result["rows"]:
        lines.append(f"| {row['method']} | {row['two']:.1e} | {row['reversed']:.1e} | {row['together']} |")
    return "\n".join(lines) + "\n"


def together(name: str) -> str:
    """How several processes come to one loss."""
    claims = method_at_defaults(name).claims
    if claims.couples_batch:
        return "each computes the loss of all images"
    return "mean of their losses" + ("; batch norm of the adapters over all images" if claims.batch_norm else "")


def main() -> None:
    """Prints, and writes processes.json and processes.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--share", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.share is not None:
        trained(chosen.methods, chosen.share, chosen.learning_rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        how = (chosen.methods, Path(folder), chosen.learning_rate)
        two = differences(*how)
        trained_in_reverse(*how)
        reverse = apart(*how, "reversed")
    rows = [
        {"method": name, "two": two[name], "reversed": reverse[name], "together": together(name)}
        for name in chosen.methods
    ]
    fit = asdict(fitting(chosen.learning_rate))
    result = {"student": STUDENT.name, "steps": STEPS, "processes": 2, "fit": fit, "rows": rows}
    write("processes", result, chosen.out)
    (chosen.out / "processes.md").write_text(page(result))
    print(page(result))


if __name__ == "__main__":
    main()
