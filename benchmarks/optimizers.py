"""Built-in recipes by SGD and by Muon, taught and alone, on val: which of them should train in which way.

The digits as the recipe has them, their teacher trained first; CIFAR-10 as the recipe cifar10 on a part of its images,
fewer epochs, taught by a published network. Paired seeds; the test split stays shut. Resumable.

    python benchmarks/optimizers.py digits|cifar10 [--weights DIR] [--data-root DIR] [--seeds 0 1] [--runs DIR]
"""

import argparse
import os
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import RESULTS, write
from tutelage import Engine, files, train
from tutelage.measure.statistics import paired_gain
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run import builtin
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace

MUON = {"optimizer": "muon", "schedule": "linear"}
SGD = {
    "digits": Fit(3, 64, learning_rate=0.1, weight_decay=1e-4),
    "cifar10": Fit(30, 128, learning_rate=0.1, weight_decay=1e-4),
}
"""As the recipes were before."""
WAYS: dict[str, tuple[dict[str, Any], float]] = {
    "SGD": ({}, 4.0),
    "SGD, T = 8": ({}, 8.0),
    "Muon 0.02": (MUON | {"learning_rate": 0.02, "weight_decay": 0.01}, 4.0),
    "Muon 0.05": (MUON | {"learning_rate": 0.05, "weight_decay": 0.01}, 4.0),
    "Muon 0.05, T = 8": (MUON | {"learning_rate": 0.05, "weight_decay": 0.01}, 8.0),
}
"""Changes of the student's fit, and kd's temperature."""


def recipe(name: str, way: str, epochs: int, seed: int, chosen: argparse.Namespace) -> Recipe:
    """The taught run of one seed."""
    changes, temperature = WAYS[way]
    base = builtin.built_in(name)
    fit = replace(SGD[name], epochs=epochs, **changes)
    base = replace(base, fit=fit, method=KD(temperature=temperature, alpha=0.9), seed=seed)
    if name == "digits":
        return base
    weights = os.path.join(chosen.weights, "cifar10_resnet20_akamaster.safetensors")
    teacher = TeacherSpec(Model("resnet20", weights=weights))
    return replace(base, teacher=teacher, data=replace(base.data, part=chosen.part), views=chosen.views)


def row(way: str, epochs: int, taught: list[Run], alone: list[Run]) -> dict[str, Any]:
    """Val top-1 of every seed, in percent, and the gain."""
    values = {
        who: [round(100 * run.curve("val", "top1")[-1][1], 2) for run in runs]
        for who, runs in (("alone", alone), ("taught", taught))
    }
    gain = paired_gain(values["taught"], values["alone"])
    return {"way": way, "epochs": epochs} | values | {"gain": gain}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows of one recipe."""
    lines = ["| way | epochs | n | alone | taught | gain (95 %) |", "|---|---|---|---|---|---|"]
    for one in rows:
        cells = [one["way"], str(one["epochs"]), str(len(one["taught"]))]
        for who in ("alone", "taught"):
            spread = f" +- {statistics.stdev(one[who]):.2f}" if len(one[who]) > 1 else ""
            cells.append(f"{statistics.mean(one[who]):.2f}{spread}")
        gain = one["gain"]
        interval = "" if gain["low"] is None else f" ({gain['low']:.2f} to {gain['high']:.2f})"
        lines.append(f"| {' | '.join(cells)} | {gain['mean']:+.2f}{interval} |")
    return "\n".join(lines) + "\n"


def page(result: dict[str, Any]) -> str:
    """docs/results/optimizers.md, and what docs/results/optimizers_notes.md says to it."""
    text = (
        "# Built-in recipes by SGD and by Muon\n\nTop-1 on val in percent, +- over paired seeds; test was not opened.\n"
    )
    for name, recipe in result["recipes"].items():
        text += f"\n## {name}\n\n`{recipe['command']}`\n\n{table(recipe['rows'])}"
    notes = RESULTS / "optimizers_notes.md"
    return text + ("\n" + notes.read_text() if notes.exists() else "")


def main() -> None:
    """Trains what is missing, seed by seed, and writes the page of what is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=SGD)
    parser.add_argument("--weights", default="")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--epochs", nargs="+", type=int, default=[3])
    parser.add_argument("--part", type=int, default=10_000, help="images of CIFAR-10; 0: all")
    parser.add_argument("--views", type=int, default=2, help="of each image of CIFAR-10")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--runs", type=Path, default=Path("runs/optimizers"))
    chosen = parser.parse_args()
    workspace = Workspace(chosen.runs, chosen.data_root, Engine(device="cpu", threads=1, precision="fp32"))
    rows: dict[tuple[str, int], tuple[list[Run], list[Run]]] = {}
    for seed in chosen.seeds:
        for way in chosen.ways:
            for epochs in chosen.epochs:
                one = recipe(chosen.recipe, way, epochs, seed, chosen)
                taught, alone = rows.setdefault((way, epochs), ([], []))
                taught.append(train(one, workspace))
                alone.append(train(one.as_baseline, workspace))
        print(table([row(*key, *runs) for key, runs in rows.items()]), flush=True)
    path = RESULTS / "optimizers.json"
    recipes = files.read_json(path)["recipes"] if path.exists() else {}
    numbers = [f"--{flag} {' '.join(map(str, getattr(chosen, flag)))}" for flag in ("epochs", "seeds")]
    named = " ".join(f'"{way}"' for way in chosen.ways)
    command = f"python benchmarks/optimizers.py {chosen.recipe} {' '.join(numbers)} --ways {named}"
    command += f" --part {chosen.part} --views {chosen.views} --weights DIR" if chosen.recipe == "cifar10" else ""
    recipes[chosen.recipe] = {"command": command, "rows": [row(*key, *runs) for key, runs in rows.items()]}
    write("optimizers", {"recipes": recipes})
    path.with_suffix(".md").write_text(page(files.read_json(path)))


if __name__ == "__main__":
    main()
