"""What an early look tells of a trial's end: a stopped run, or a shorter run with its own schedule?

Settings are drawn at random from the search space of some methods; each is trained in full and to its end with a third
of the epochs. Spearman's rank correlation with the final val accuracy, over the settings: of the full run's accuracy
after a third and two thirds of its epochs, and of the short run's. Val alone is looked at; resumable.

    python benchmarks/pruning.py [--settings 24] [--runs runs/pruning]
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from _common import write
from tutelage import Engine, Run, train
from tutelage.methods import method_class
from tutelage.methods.base import ranges
from tutelage.run.builtin import read
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace


def drawn(method: str, chance: np.random.Generator) -> Any:
    """A method with every searched field drawn from where tuning looks."""
    kind = method_class(method)
    fields = {}
    for name, allowed in ranges(kind).items():
        if allowed.search:
            low, high = allowed.search
            fields[name] = float(
                np.exp(chance.uniform(*np.log([low, high]))) if allowed.log else chance.uniform(low, high)
            )
    return kind(**fields)


def val(run: Run) -> list[float]:
    """Accuracy on val after each epoch."""
    return [value for _, value in run.curve("val", "top1")]


def main() -> None:
    """Trains what is missing, then writes docs/results/pruning.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["kd", "dkd", "dist"])
    parser.add_argument("--settings", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--runs", type=Path, default=Path("runs/pruning"))
    chosen = parser.parse_args()
    base: Recipe = read("digits")
    chance, engine = np.random.default_rng(0), Engine(device="cpu", threads=1)
    full, short = [], []
    for number in range(chosen.settings):
        method = drawn(chosen.methods[number % len(chosen.methods)], chance)
        recipe = replace(base, method=method, fit=replace(base.fit, epochs=chosen.epochs))
        full.append(val(train(recipe, Workspace(chosen.runs, engine=engine))))
        less = replace(recipe, fit=replace(recipe.fit, epochs=chosen.epochs // 3))
        short.append(val(train(less, Workspace(chosen.runs, engine=engine)))[-1])
    ends = np.array(full)
    third = chosen.epochs // 3

    def agreement(early: Any) -> float:
        return round(float(stats.spearmanr(early, ends[:, -1]).statistic), 2)

    result = {
        "settings": chosen.settings,
        "epochs": chosen.epochs,
        "stopped_after_a_third": agreement(ends[:, third - 1]),
        "stopped_after_two_thirds": agreement(ends[:, 2 * third - 1]),
        "short_run_of_a_third": agreement(short),
    }
    print(result)
    write("pruning", result)


if __name__ == "__main__":
    main()
