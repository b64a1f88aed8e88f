"""MLPerf Tiny's ResNet-8 against itself: the published weights, ours without a teacher, and ours with one.

The same network, the same bytes on the device; in float and in int8. Everything was chosen on val; the test split is
opened once, for all numbers together, when the last run is done. Stop it anywhere: the same command goes on.

    python benchmarks/headline.py --weights DIR --data-root DIR [--seeds 0 1 2] [--small]

DIR of --weights holds the published cifar10_resnet20_akamaster and cifar10_resnet8_mlperftiny (.safetensors).
"""

import argparse
import os
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from _common import RESULTS, write
from mlperf_tiny import task_of as published_task
from tutelage import Engine, data, files, train
from tutelage.data.images import Images
from tutelage.data.splits import DataSet
from tutelage.data.test_split import open_test, openings
from tutelage.edge.comparing import Contestant, compare
from tutelage.export import export, export_file
from tutelage.export.formats import FORMATS
from tutelage.export.measuring import run_file
from tutelage.measure.classifier import measure, predict
from tutelage.measure.statistics import paired_gain
from tutelage.run import builtin
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training.predictions import evaluate_run
from tutelage.training.student import load_student

TEACHER, PUBLISHED = "cifar10_resnet20_akamaster.safetensors", "cifar10_resnet8_mlperftiny.safetensors"
README = Path(__file__).parent.parent / "README.md"
PLACE = re.compile(r"(<!-- headline -->\n).*?(<!-- end of headline -->)", re.DOTALL)
FILES = {"float": "onnx", "int8": "onnx-int8"}
ROUNDS = 100
"""Of latencies, every file in turn."""


def taught_by_resnet20(chosen: Recipe, weights: str, seed: int) -> Recipe:
    """A recipe with the published ResNet-20 as its teacher."""
    assert chosen.teacher is not None
    model = replace(chosen.teacher.model, weights=os.path.join(weights, TEACHER))
    return replace(chosen, teacher=replace(chosen.teacher, model=model, tune="none"), seed=seed)


def recipe(weights: str, seed: int, *, small: bool) -> Recipe:
    """The taught run of one seed: 200 epochs, 16 views; `small`: a fifth of the images, 12 epochs, 2 views."""
    chosen = taught_by_resnet20(builtin.built_in("mlperf_tiny"), weights, seed)
    if not small:
        return replace(chosen, fit=replace(chosen.fit, epochs=200), views=16)
    return replace(chosen, data=replace(chosen.data, part=9_000), fit=replace(chosen.fit, epochs=12), views=2)


def finished(rows: dict[str, list[Recipe]], engine: Engine, runs: Path, dataset: DataSet) -> dict[str, list[Run]]:
    """Every run to its end, seed by seed, so that the first pair is complete early; each exported in both forms."""
    found: dict[str, list[Run]] = {name: [] for name in rows}
    for of_seed in zip(*rows.values(), strict=True):
        for name, one in zip(rows, of_seed, strict=True):
            run = train(one, Workspace(runs, dataset.root, engine))
            evaluate_run(run, dataset)
            if not set(FILES.values()) <= set(run.result("export") or {}):
                export(run, dataset, FILES.values(), force=True)
            found[name].append(run)
    return found


def on_test(runs: dict[str, list[Run]], weights: str, dataset: DataSet, folder: Path, ledger: Path) -> dict[str, Any]:
    """Top-1 on test of everything in float and int8, in one opening; what was told once is read again."""
    if (folder / "test.json").exists():
        return files.read_json(folder / "test.json")
    published = published_task(os.path.join(weights, PUBLISHED), dataset)
    exported = {name: export_file(published, name, FORMATS[name], folder, force=True) for name in FILES.values()}
    test = open_test(dataset, ledger, run=folder.name, reason="the headline: all its numbers in one opening")
    measured: dict[str, Any] = {"published": {"export": exported} | _accuracies(published.network, folder, test)}
    for name, of_row in runs.items():
        measured[name] = [_accuracies(load_student(run, dataset), run.path, test) for run in of_row]
    files.write_json(folder / "test.json", measured)
    return measured


def _accuracies(network: Any, folder: Path, test: Images) -> dict[str, float]:
    quantized = torch.from_numpy(run_file(folder / FORMATS[FILES["int8"]].file, test))
    return {
        "float": measure(predict(network, test, what=f"{folder.name} on test"), test.labels)["top1"],
        "int8": measure(quantized, test.labels)["top1"],
    }


def gather(runs: dict[str, list[Run]], test: dict[str, Any], dataset: DataSet) -> dict[str, Any]:
    """The table and its claims, as JSON values."""
    rows: list[dict[str, Any]] = [{"name": "published", "n": 1, "val": []} | _forms([test["published"]])]
    rows[0]["files"] = test["published"]["export"]
    for name, of_row in runs.items():
        val = [run.result("evaluation")["val"]["top1"] for run in of_row]
        costs = [run.result("cost") for run in of_row]
        of_recipe, paid = of_row[0].recipe, sum(cost["teacher_passes_paid"] for cost in costs)
        if of_recipe.teacher is not None and not paid:  # by another program, before these runs: benchmarks/ninety.py
            views = {view for run in of_row for view in Plan.of(run.recipe, len(dataset.train)).views_used}
            paid = len(views) * len(dataset.train)
        rows.append(
            {"name": name, "n": len(of_row), "train": [on_train(run, dataset) for run in of_row], "val": val}
            | _forms(test[name])
            | {
                "files": of_row[0].result("export"),
                "seconds": [cost["seconds"] for cost in costs],
                "teacher_passes_paid": paid,
                "teacher_passes_saved": sum(cost["teacher_passes_saved"] for cost in costs),
            }
        )
    by_name = {row["name"]: row for row in rows}
    gains = {
        form: {
            "over_alone": paired_gain(by_name["taught"][form], by_name["alone"][form]),
            "over_published": paired_gain(by_name["taught"][form], by_name["published"][form] * by_name["taught"]["n"]),
        }
        for form in FILES
    }
    return {"rows": rows, "gains": gains}


def on_train(run: Run, dataset: DataSet) -> float:
    """Top-1 on the training images as they are, which says how much a student has learnt by heart."""
    logits = predict(load_student(run, dataset), dataset.train, what=f"{run.path.name} on train")
    return measure(logits, dataset.train.labels)["top1"]


def latencies(rows: list[dict[str, Any]], folders: list[Path], shape: tuple[int, int, int]) -> None:
    """Puts what one image takes, all files measured in turn, in the place of what each took on its own day."""
    paths = [folder / FORMATS[name].file for folder in folders for name in FILES.values()]
    compared = compare([Contestant(str(path), path, shape) for path in paths], rounds=ROUNDS, batch=1)
    files_told = [row["files"][name] for row in rows for name in FILES.values()]
    for of_file, one in zip(files_told, compared, strict=True):
        of_file["latency_ms"] = one["latency_ms"]


def _forms(measured: list[dict[str, Any]]) -> dict[str, list[float]]:
    return {form: [one[form] for one in measured] for form in FILES}


def page(result: dict[str, Any], name: str) -> str:
    """docs/results/headline.md: the summary and what docs/results/headline_notes.md says to it."""
    notes = RESULTS / f"{name}_notes.md"
    title = "# MLPerf Tiny's ResNet-8: the same network, the same bytes, another training\n\n"
    return title + summary(result, name) + ("\n" + notes.read_text() if notes.exists() else "")


def in_readme(text: str, result: dict[str, Any]) -> str:
    """The README with the brief table in its place."""
    return PLACE.sub(lambda found: found[1] + brief(result) + found[2], text)


def brief(result: dict[str, Any]) -> str:
    """What a newcomer asks first: accuracy, size and time of the 8-bit file, and what the teacher adds."""
    lines = ["| training | test, float | test, 8 bits | 8-bit file | an image takes |", "|---|---|---|---|---|"]
    for row in result["rows"]:
        file = row["files"][FILES["int8"]]
        cells = [*(_percent(row[form]) for form in FILES), f"{file['bytes'] / 1000:.0f} kB"]
        lines.append(f"| {names(result)[row['name']]} | {' | '.join(cells)} | {file['latency_ms']['p50']:.2f} ms |")
    seeds = max(row["n"] for row in result["rows"])
    gains = {form: result["gains"][form]["over_alone"] for form in FILES}
    added = {form: f"{100 * gain['mean']:.2f} points ({_interval(gain)})" for form, gain in gains.items()}
    lines += [
        "",
        f"Mean and standard deviation of {seeds} seeds; the test split was opened {opened(result)}. The teacher adds "
        f"{added['float']} in float and {added['int8']} in 8 bits, with the 95 % interval in brackets. The times are "
        f"those of one thread of an {result['machine']['processor']}.",
    ]
    return "\n".join(lines) + "\n"


def names(result: dict[str, Any]) -> dict[str, str]:
    """The rows' names for people."""
    teacher = result["recipe"]["teacher"]["model"]["name"].replace("resnet", "ResNet-")
    return {"published": "published weights", "alone": "ours, no teacher", "taught": f"ours, taught by {teacher}"}


def opened(result: dict[str, Any]) -> str:
    """How often the test split was."""
    return {1: "once", 2: "twice"}.get(result["openings"], f"{result['openings']} times")


def summary(result: dict[str, Any], name: str) -> str:
    """What was run, the table and the claims."""
    fit, flag = result["recipe"]["fit"], " --small" if name.endswith("small") else ""
    gpu = result.get("trained_on", {}).get("gpu")
    by_name = {row["name"]: row for row in result["rows"]}
    sets = ", ".join(result["machine"].get("int8_instructions", ()))
    where = result["machine"]["processor"] + (f", 8-bit products by {sets}" if sets else "")
    where = f"trained on an {gpu}, measured on an {where}" if gpu else where
    lines = [
        f"`python benchmarks/headline.py{flag}` ({where}): {result['images']:,} images to "
        f"learn from, {fit['epochs']} epochs, batch {fit['batch_size']}, {result['recipe']['views']} views, "
        f"n = {by_name['taught']['n']} seeds a row, last epoch, chosen on val, test opened {opened(result)}. Sizes and "
        "single-thread latencies (medians, all files in turn) are of the ONNX files.",
        "",
        "| training | test, float | test, int8 | float file | int8 file | latency, float | latency, int8 |",
        "|---|---|---|---|---|---|---|",
    ]
    words = names(result)
    for row in result["rows"]:
        both = [row["files"][FILES[form]] for form in FILES]
        cells = [_percent(row[form]) for form in FILES] + [f"{file['bytes'] / 1000:.0f} kB" for file in both]
        cells += [f"{file['latency_ms']['p50']:.2f} ms" for file in both]
        lines.append(f"| {words[row['name']]} | {' | '.join(cells)} |")
    lines += [""]
    for form in FILES:
        for against, base in (("over_alone", "our own baseline"), ("over_published", "the published weights")):
            lines.append(f"- {form}: {_points(result['gains'][form][against])} against {base}")
    seen = (
        f"{words[name]} {_percent(by_name[name]['train'])} ({_percent(by_name[name]['val'])})"
        for name in ("alone", "taught")
    )
    lines.append(f"- on the training images as they are, and in brackets on val: {', '.join(seen)}")
    hours = sum(sum(row.get("seconds", [])) for row in result["rows"]) / 3600
    paid, saved = (sum(row.get(f"teacher_passes_{what}", 0) for row in result["rows"]) for what in ("paid", "saved"))
    runs = sum(row["n"] for row in result["rows"] if "seconds" in row)
    time = f"{hours * 60 / runs:.0f} minutes a run" if gpu else f"{hours:.1f} hours of training in all, on one thread"
    lines.append(f"- {time}; teacher passes paid {paid:,}, saved {saved:,}")
    return "\n".join(lines) + "\n"


def _percent(values: list[float]) -> str:
    spread = f" +- {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{spread} %"


def _interval(gain: dict[str, Any]) -> str:
    return f"{100 * gain['low']:.2f} to {100 * gain['high']:.2f}"


def _points(gain: dict[str, Any]) -> str:
    interval = "" if gain["low"] is None else f" ({_interval(gain)})"
    return f"{100 * gain['mean']:+.2f}{interval} points, n = {gain['n']}"


def main() -> None:
    """Trains what is missing, opens test once, writes docs/results/headline.json, .md and the README's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--small", action="store_true", help="the same in minutes: a fifth of the images, 12 epochs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    chosen = parser.parse_args()
    name = "headline_small" if chosen.small else "headline"
    taught = [recipe(chosen.weights, seed, small=chosen.small) for seed in chosen.seeds]
    rows = {"alone": [one.as_baseline for one in taught], "taught": taught}
    dataset = data.load(taught[0].data, chosen.data_root)
    engine = Engine(device="cpu", threads=chosen.threads, precision=chosen.precision)
    runs = finished(rows, engine, chosen.runs, dataset)
    folder = chosen.runs / f"{name}-{files.digest([one.name for one in taught])[:8]}"
    ledger = chosen.runs / "test_openings.jsonl"
    result = gather(runs, on_test(runs, chosen.weights, dataset, folder, ledger), dataset)
    latencies(result["rows"], [folder, *(of_row[0].path for of_row in runs.values())], dataset.train.shape)
    of_recipe = taught[0].to_dict()
    of_recipe["teacher"]["model"]["weights"] = TEACHER
    settings = {"recipe": of_recipe, "seeds": chosen.seeds, "images": len(dataset.train)}
    trained = files.read_json(runs["taught"][0].path / "environment.json")
    settings |= {"trained_on": trained["machine"], "precision": trained["engine"]["precision"]}
    settings["openings"] = sum(one["run"].startswith("headline") for one in openings(ledger))
    path = write(name, settings | result)
    result = files.read_json(path)
    path.with_suffix(".md").write_text(page(result, name))
    if not chosen.small:
        README.write_text(in_readme(README.read_text(), result))
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
