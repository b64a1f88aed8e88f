"""Is it the method or its weight? Methods below kd at their published numbers, and kd, searched at equal cost.

The setting of methods.py's wave `all`: ResNet-56 (published weights) -> resnet8, 20,000 images of CIFAR-10, 12 epochs.
Each method gets eight trials by the search of `tutelage tune` (its defaults first; 5,000 images, 6 epochs, of which a
third goes first) with a seed of their own; the best setting is then trained as the wave trains, and stands beside the
defaults there. Val accuracy only, and the same val images for the search and the last number: the test split stays
shut. What is done is not done again, and several processes share the work.

    python benchmarks/tuned.py search --teacher FILE --methods kd at crd
    python benchmarks/tuned.py page
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import RESULTS, write
from methods import WAVES, chosen_method, pay, recipe
from tutelage import files, train
from tutelage.errors import Busy
from tutelage.run.engine import Engine
from tutelage.run.folder import machine
from tutelage.run.recipe import Recipe
from tutelage.run.space import with_values
from tutelage.run.workspace import Workspace
from tutelage.study.search import Search
from tutelage.study.tune import EARLY, Tuning

MEASURED, METHODS_MEASURED = RESULTS / "tuned.json", RESULTS / "methods.json"
WAVE = WAVES["all"]
SEED = 0
"""Of the wave and of the last run; the trials have Search's own."""
SEARCH = Search(trials=8, epochs=6, part=5_000)


def search_cost(trials: list[dict[str, Any]]) -> float:
    """Images that all trials trained on, as a multiple of one whole training's."""
    early, whole = SEARCH.epochs // EARLY, SEARCH.epochs
    epochs = sum(early + (0 if trial["state"] == "pruned" else whole) for trial in trials)
    return epochs * SEARCH.part / (WAVE["epochs"] * WAVE["part"])


def published(label: str, teacher: str) -> Recipe:
    """The wave's run of this method at its published numbers."""
    return recipe(label, SEED, teacher, WAVE["epochs"], WAVE["views"], WAVE["part"])


def searched(label: str, teacher: str, space: Workspace) -> dict[str, Any] | None:
    """The trials of one method, and the whole run of the best; None while another process works on it.

    Args:
        label: A row of the wave.
        teacher: The file of its weights.
        space: Where runs and data are.
    """
    at_published = published(label, teacher)
    tuning = Tuning((at_published,), SEARCH, seeds=(SEED, SEED + 1, SEED + 2))
    folder = space.runs / tuning.folder_name
    try:
        tuning.search_trials(space)
        outcome = tuning.outcome(folder)
        best = next(trial for trial in outcome["trials"] if trial["number"] == outcome["best"])
        method = with_values(chosen_method(label, WAVE["epochs"]), {} if best["defaults"] else best["values"])
        run = train(replace(at_published, method=method), space)
    except Busy:
        return None
    kept = [{key: trial[key] for key in ("state", "values", "early", "val")} for trial in outcome["trials"]]
    on = machine()
    return {
        "method": label,
        "trials": kept,
        "best": {} if best["defaults"] else best["values"],
        "cost": round(search_cost(outcome["trials"]), 2),
        "val": round(100 * run.curve("val", "top1")[-1][1], 2),
        "machine": on["gpu"] or on["processor"],
    }


def table(rows: dict[str, dict[str, Any]], at_defaults: dict[str, float], kd: float) -> str:
    """Methods by what they reach tuned, beside their published numbers.

    Args:
        rows: What `searched` gave, by method.
        at_defaults: Val top-1 of the wave, in percent, by method.
        kd: That of kd, tuned as well.
    """
    heads = ["method", "published", "tuned", "gain", "tuned, against kd tuned", "its numbers", "the search cost"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for label in sorted(rows, key=lambda label: -rows[label]["val"]):
        row, before = rows[label], at_defaults[label]
        numbers = ", ".join(f"`{name}` {value:g}" for name, value in row["best"].items()) or "as published"
        cells = [label, f"{before:.2f} %", f"{row['val']:.2f} %", f"{row['val'] - before:+.2f}"]
        cells += ["" if label == "kd" else f"{row['val'] - kd:+.2f}", numbers, f"{row['cost']:.2f} trainings"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(result: dict[str, Any]) -> str:
    """docs/results/tuned.md."""
    wave = json.loads(METHODS_MEASURED.read_text())["waves"]["all"]["rows"]
    at_defaults = {label: row["val"][0] for label, row in wave.items()}
    about = (
        f"`python benchmarks/tuned.py`: {SEARCH.trials} trials a method by the search of `tutelage tune`, the "
        f"published numbers first ({SEARCH.part:,} training images of CIFAR-10, {SEARCH.epochs} epochs, "
        f"{SEARCH.epochs // EARLY} for those below the median; seed {SEARCH.seed}). The best setting is trained as in "
        f"[the table of all methods](methods.md): {WAVE['part']:,} images, {WAVE['epochs']} epochs, seed {SEED}. "
        "Both the search and the last number are top-1 on val, so that the column `tuned` is a little better than "
        "fresh images would say; one seed each. The cost of a search is in trainings of that method at its whole "
        f"length. Machine: {', '.join(sorted({row['machine'] for row in result['rows'].values()}))}."
    )
    notes = RESULTS / "tuned_notes.md"
    body = table(result["rows"], at_defaults, result["rows"]["kd"]["val"])
    return f"# Methods below kd, tuned at equal cost\n\n{about}\n\n{body}" + (
        f"\n{notes.read_text()}" if notes.exists() else ""
    )


def main() -> None:
    """Searches what is asked for, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "page"])
    parser.add_argument("--teacher", default="")
    parser.add_argument("--methods", nargs="+", default=["kd"])
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    chosen = parser.parse_args()
    log, begun = chosen.out / "tuned.jsonl", time.perf_counter()
    if chosen.what == "search":
        space = Workspace(chosen.runs, chosen.data_root, Engine(device=chosen.device, threads=1))
        for label in chosen.methods:
            if label in {line["method"] for line in files.read_lines(log)}:
                continue
            pay([published(label, chosen.teacher)], chosen)
            line = searched(label, chosen.teacher, space)
            if line is not None:
                files.append_line(log, line)
                print(f"{label}: {line['val']:.2f} % with {line['best']}, {line['cost']:.2f} trainings", flush=True)
        print(f"{time.perf_counter() - begun:.0f} s")
        return
    before = json.loads(MEASURED.read_text())["rows"] if MEASURED.exists() else {}
    write("tuned", {"rows": before | {line["method"]: line for line in files.read_lines(log)}})
    MEASURED.with_suffix(".md").write_text(page(json.loads(MEASURED.read_text())))


if __name__ == "__main__":
    main()
