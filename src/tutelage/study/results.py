"""What results.json holds: everything that the report of a study shows, gathered from its runs, as JSON values."""

import dataclasses
from pathlib import Path
from typing import Any

from tutelage import data
from tutelage.data.splits import DataSet, openings
from tutelage.measure import fidelity
from tutelage.measure.classifier import latencies, measure
from tutelage.measure.statistics import image_interval, judged, mcnemar, paired_gain
from tutelage.methods.base import Method
from tutelage.models.count import macs, parameters
from tutelage.run.folder import Run, machine
from tutelage.run.recipe import Recipe, method_words
from tutelage.run.record import kept
from tutelage.study.gallery import gallery
from tutelage.teacher import lessons
from tutelage.training import predictions
from tutelage.training.predictions import Predictions
from tutelage.training.student import load_student

Trained = dict[tuple[int, int], Run]
"""The finished runs of a study, by row and seed."""


def gathered(
    rows: tuple[Recipe, ...], seeds: tuple[int, ...], trained: Trained, folder: Path, dataset: DataSet, runs: Path
) -> dict[str, Any]:
    """The results of a study.

    Args:
        rows: Its recipes, baseline first.
        seeds: Its seeds.
        trained: Its runs, evaluated.
        folder: Its folder, where the numbers on test are.
        dataset: Its images.
        runs: The folder of all runs.
    """
    test = kept(folder, "test")
    told: list[dict[str, Any]] = []
    for number, (row, label) in enumerate(zip(rows, labels(rows), strict=True)):
        of_row = [trained[number, seed] for seed in seeds]
        told.append(
            {
                "label": label,
                "method": row.to_dict()["method"],
                **{size: of_row[0].result("card")[size] for size in ("parameters", "macs")},
                "seeds": [_seed_result(run, test["runs"][run.path.name]) for run in of_row],
            }
        )
    for split in ("val", "test"):
        gains = judged([_paired(row, told[0], split) for row in told[1:]])
        for row, gain in zip(told[1:], gains, strict=True):
            row.setdefault("gain", {})[split] = gain
    taught = teaches(rows)
    members = [lessons.load_member(taught, spec, dataset, runs) for spec in taught.taught_by]
    teacher = _teacher(taught, members, trained[rows.index(taught), seeds[0]], dataset, test["teacher"])
    _time(told, teacher, [trained[number, seeds[0]] for number in range(len(rows))], members, dataset)
    on_val = _on_val(taught, trained, dataset, runs)
    _by_image(told, teacher, "val", on_val)
    _by_image(told, teacher, "test", predictions.on_test(folder))
    shown = best(trained, rows, seeds)
    ledger = openings(runs / "test_openings.jsonl")
    return {
        "study": folder.name,
        "data": {"name": dataset.name, "classes": list(dataset.classes), "train": len(dataset.train)}
        | {"val": len(dataset.val), "unlabeled": data.unlabeled_images(taught.data)},
        "student": {key: told[0][key] for key in ("parameters", "macs")} | {"name": taught.student.name},
        "teacher": teacher,
        "rows": told,
        "gallery": _gallery(rows, told, seeds, shown, dataset, on_val),
        "tuning": _tuning(folder, told),
        "cost": _cost(folder, trained, taught),
        "export": {"run": shown.path.name, "onnx": shown.result("export")["onnx"]},
        "test_openings": {
            "study": [opening for opening in ledger if opening["run"] == folder.name],
            "all": len(ledger),
        },
        "machine": machine(),
        "environment": kept(folder, "environment"),
        "recipes": [row.to_dict() for row in rows],
        "seeds": list(seeds),
    }


def teaches(rows: tuple[Recipe, ...]) -> Recipe:
    """The row that says who teaches: the last with a teacher, else the last."""
    return next((row for row in reversed(rows) if row.taught_by), rows[-1])


def best(trained: Trained, rows: tuple[Recipe, ...], seeds: tuple[int, ...]) -> Run:
    """The run to hand over: the first seed of the method that is best on val; test chooses nothing."""

    def on_val(number: int) -> float:
        return sum(trained[number, seed].result("evaluation")["val"]["top1"] for seed in seeds)

    return trained[max(range(min(1, len(rows) - 1), len(rows)), key=on_val), seeds[0]]


def labels(rows: tuple[Recipe, ...]) -> list[str]:
    """A name a row: the method's; of a method that occurs more than once, with what is not at its default."""
    words = [method_words(row.method) for row in rows]
    return [
        f"{word} ({', '.join(changed)})" if words.count(word) > 1 and (changed := _changed(row.method)) else word
        for word, row in zip(words, rows, strict=True)
    ]


def _changed(method: Method, where: str = "") -> list[str]:
    told = []
    for f in dataclasses.fields(method):
        value = getattr(method, f.name)
        if isinstance(value, Method):
            told += _changed(value, f"{method_words(value)}.")
        elif value != f.default:
            told.append(f"{where}{f.name} {value:.3g}" if isinstance(value, float) else f"{where}{f.name} {value}")
    return told


def _on_val(taught: Recipe, trained: Trained, dataset: DataSet, runs: Path) -> dict[str, Predictions]:
    """Every network's logits on val, by its run's name, and "teacher"."""
    kept = {run.path.name: predictions.on_val(run, dataset) for run in trained.values()}
    teacher = lessons.all_on_val(taught, dataset, runs)
    return kept if teacher is None else kept | {"teacher": Predictions(teacher, dataset.val.labels)}


def _by_image(rows: list[dict[str, Any]], teacher: Any, split: str, kept: dict[str, Predictions]) -> None:
    """Adds what only the logits of a split can say; nothing where they were not kept.

    To every seed `interval` (over the images), `mcnemar` (against its baseline) and, where the run has no teacher, its
    agreement with the study's; to every row `fidelity`; to the teacher `reliability`.
    """
    if not kept:
        return
    by_row = [[kept[seed["run"]].logits for seed in row["seeds"]] for row in rows]
    labels = kept[rows[0]["seeds"][0]["run"]].labels
    alone, told = by_row[0], kept["teacher"].logits if "teacher" in kept else None
    for row, of_row in zip(rows, by_row, strict=True):
        said: dict[str, Any] = {"reliability": fidelity.reliability(of_row, labels)}
        if row is not rows[0]:
            said |= fidelity.changes(of_row, alone, labels)
            if told is not None:
                said["inherited"] = fidelity.inherited(of_row, alone, told, labels)
        row.setdefault("fidelity", {})[split] = said
        for seed, mine, base in zip(row["seeds"], of_row, alone, strict=True):
            right = fidelity.right(mine, labels)
            seed.setdefault("interval", {})[split] = image_interval(right)
            if row is not rows[0]:
                seed.setdefault("mcnemar", {})[split] = mcnemar(right, fidelity.right(base, labels))
            if told is not None:
                seed[split] = measure(mine, labels, told) | seed[split]
    if told is not None:
        teacher.setdefault("reliability", {})[split] = fidelity.reliability([told], labels)


def _gallery(
    rows: tuple[Recipe, ...],
    told: list[dict[str, Any]],
    seeds: tuple[int, ...],
    shown: Run,
    dataset: DataSet,
    on_val: dict[str, Predictions],
) -> dict[str, Any] | None:
    """A dozen validation images and what teacher, baseline and the student that is handed over say of them."""
    number = next(n for n, row in enumerate(told) if any(seed["run"] == shown.path.name for seed in row["seeds"]))
    if number == 0 or not rows[number].taught_by:
        return None
    learnt = [image["position"] for image in told[number]["fidelity"]["val"]["inherited"]["images"]]
    baseline, student = told[0]["seeds"][0]["run"], shown.path.name
    softened = lessons.temperature(rows[number])
    chosen = gallery(dataset.val, on_val, baseline=baseline, student=student, temperature=softened, learnt=learnt)
    return chosen | {"seed": seeds[0]}


def _teacher(
    taught: Recipe, members: list[lessons.Member], run: Run, dataset: DataSet, test: Any
) -> dict[str, Any] | None:
    if not members:
        return None
    return {
        "name": " + ".join(member.model.name for member in members),
        "parameters": sum(parameters(member.network) for member in members),
        "macs": sum(macs(member.network, (1, *dataset.train.shape)) for member in members),
        "val": run.result("evaluation")["teacher"],
        "val_held_out": all(lessons.held_out(taught, spec) for spec in taught.taught_by),
        "test": test,
    }


def _time(
    rows: list[dict[str, Any]], teacher: Any, of_rows: list[Run], members: list[lessons.Member], dataset: DataSet
) -> None:
    """Adds `latency_ms` to every row and to the teacher; students of one size are one network, and timed once."""
    sizes = [(row["parameters"], row["macs"]) for row in rows]
    students = {size: load_student(run, dataset) for size, run in reversed([*zip(sizes, of_rows, strict=True)])}
    measured = latencies([*students.values(), *(member.network for member in members)], dataset.train.shape)
    by_size = dict(zip(students, measured, strict=False))
    for row, size in zip(rows, sizes, strict=True):
        row["latency_ms"] = by_size[size]
    if teacher:
        of_members = measured[len(students) :]
        teacher["latency_ms"] = {name: sum(one[name] for one in of_members) for name in ("p50", "p90")}


def _tuning(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The search that the study closes, and what fresh seeds left of its winner's gain over the defaults."""
    if not (folder / "tuning.json").exists():
        return None
    tuning = kept(folder, "tuning")
    by_label = {row["label"]: row for row in rows}
    tuned, defaults = by_label[tuning["tuned_row"]], by_label[tuning["defaults_row"]]
    return tuning | {"fresh": {split: _paired(tuned, defaults, split) for split in ("val", "test")}}


def _cost(folder: Path, trained: Trained, taught: Recipe) -> dict[str, Any]:
    costs = [run.result("cost") for run in trained.values()]
    of_teachers = [Run.at(own, folder.parent).result("cost") for own in taught.of_teachers]
    return {
        "wall_seconds": kept(folder, "cost")["seconds"],
        "training_seconds": round(sum(cost["seconds"] for cost in costs), 1),
        "teacher_training_seconds": sum(cost["seconds"] for cost in of_teachers),
        # A head-tuned teacher's own training pays for the embeddings that it then answers from.
        "teacher_passes_paid": sum(cost["teacher_passes_paid"] for cost in (*costs, *of_teachers)),
        "teacher_passes_saved": sum(cost["teacher_passes_saved"] for cost in costs),
    }


def _seed_result(run: Run, test: dict[str, Any]) -> dict[str, Any]:
    recipe = run.recipe
    steps_per_epoch = max(1, run.curve("val", "top1")[-1][0] // recipe.fit.epochs)
    return {
        "run": run.path.name,
        "seed": recipe.seed,
        "val": run.result("evaluation")["val"],
        "test": test,
        "best_val": run.result("cost")["best_val"],
        "seconds": run.result("cost")["seconds"],
        "images_per_second": run.result("cost")["images_per_second"],
        "curves": {
            "val_top1": [[step / steps_per_epoch, value] for step, value in run.curve("val", "top1")],
            "train_loss": [[step / steps_per_epoch, value] for step, value in run.curve("train", "loss")],
        },
    }


def _paired(row: dict[str, Any], baseline: dict[str, Any], split: str) -> dict[str, Any]:
    mine, alone = ([seed[split]["top1"] for seed in of_row["seeds"]] for of_row in (row, baseline))
    return paired_gain(mine, alone)
