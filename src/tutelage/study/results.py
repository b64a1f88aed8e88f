"""Gathers results.json, whose form is in report/results.py, from the runs of a finished study."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tutelage import data
from tutelage.data.test_split import openings_of
from tutelage.measure import fidelity
from tutelage.measure.classifier import latencies
from tutelage.measure.findings import Fidelity
from tutelage.measure.measures import Measured
from tutelage.measure.statistics import Gain, image_interval, judged, mcnemar, paired_gain
from tutelage.methods.base import Method
from tutelage.models.count import macs, parameters
from tutelage.names import added_up
from tutelage.report.results import SCHEMA, DataFacts, Latency, Results, Row, Seed, Split, Teacher, Tuning
from tutelage.run.conditions import apart
from tutelage.run.folder import Run, machine
from tutelage.run.recipe import Recipe, method_words
from tutelage.run.record import kept
from tutelage.study import handed
from tutelage.study.finished import Finished
from tutelage.study.gallery import gallery
from tutelage.study.watch import Watch, cost
from tutelage.teacher import lessons
from tutelage.teacher.members import Member, held_out, load_member
from tutelage.training import predictions
from tutelage.training.predictions import Predictions, evaluate_run
from tutelage.training.student import load_student

SPLITS: tuple[Split, Split] = ("val", "test")


def gathered(study: Finished, watch: Watch) -> Results:
    """The results of a study, which a command that is still going on makes."""
    logits: dict[Split, dict[str, Predictions]] = {"val": _on_val(study), "test": predictions.on_test(study.folder)}
    measured: dict[Split, dict[str, Measured]] = {"val": _measured_on_val(study), "test": _measured_on_test(study)}
    for split in SPLITS:
        measured[split] = {name: _whole(name, found, logits[split]) for name, found in measured[split].items()}
    members = [load_member(study.taught, spec, study.dataset, study.workspace) for spec in study.taught.taught_by]
    times = _latencies(study, members)
    rows = _rows(study, measured, times)
    teacher = _teacher(study, members, measured, times[-1]) if members else None
    for split in SPLITS:
        if logits[split]:
            _by_image(rows, teacher, split, logits[split])
    opened = openings_of(study.dataset, study.workspace.test_openings)
    folded: dict[str, Any] = {"folds": kept(study.folder, "folds")} if (study.folder / "folds.json").exists() else {}
    return {
        "schema": SCHEMA,
        "study": study.folder.name,
        "data": _data_facts(study),
        "student": {
            "name": study.taught.student.name,
            "parameters": rows[0]["parameters"],
            "macs": rows[0]["macs"],
        },
        "teacher": teacher,
        "rows": rows,
        "gallery": _gallery(study, rows, logits["val"]),
        "tuning": _tuning(study.folder, rows),
        "cost": cost(study, watch),
        "export": handed.exported(study, rows),
        "test_openings": {
            "study": [opening for opening in [*opened.unnamed, *opened.known] if opening["run"] == study.folder.name],
            "all": len(opened.known) + len(opened.unnamed),
            "unnamed": len(opened.unnamed),
            "until": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "conditions": apart(study.trained.values()),
        "machine": machine(),
        "environment": kept(study.folder, "environment"),
        "recipes": [row.to_dict() for row in study.rows],
        "seeds": list(study.seeds),
        **folded,
    }


def labels(rows: tuple[Recipe, ...]) -> list[str]:
    """A name a row: the method's; of a method that occurs more than once, with what is not at its default."""
    words = [method_words(row.method) for row in rows]
    return [
        f"{word} ({', '.join(changed)})" if words.count(word) > 1 and (changed := _changed(row.method)) else word
        for word, row in zip(words, rows, strict=True)
    ]


def _changed(method: Method, where: str = "") -> list[str]:
    words = []
    for f in dataclasses.fields(method):
        value = getattr(method, f.name)
        if isinstance(value, Method):
            words += _changed(value, f"{method_words(value)}.")
        elif value != f.default:
            words.append(f"{where}{f.name} {value:.3g}" if isinstance(value, float) else f"{where}{f.name} {value}")
    return words


def _data_facts(study: Finished) -> DataFacts:
    dataset = study.dataset
    return {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "train": len(dataset.train),
        "val": len(dataset.val),
        "unlabeled": data.unlabeled_images(study.taught.data),
    }


def _on_val(study: Finished) -> dict[str, Predictions]:
    """Every network's logits on val, by its run's name, and "teacher"."""
    by_run = {run.path.name: predictions.on_val(run, study.dataset) for run in study.trained.values()}
    teacher = lessons.all_on_val(study.taught, study.dataset, study.workspace)
    return by_run if teacher is None else by_run | {"teacher": Predictions(teacher, study.dataset.val.labels)}


def _measured_on_val(study: Finished) -> dict[str, Measured]:
    """What the runs' evaluations hold, by run, and "teacher"."""
    evaluations = {run: evaluate_run(run, study.dataset) for run in study.trained.values()}
    teacher = evaluations[study.trained[study.rows.index(study.taught), study.seeds[0]]]["teacher"]
    found = {run.path.name: evaluation["val"] for run, evaluation in evaluations.items()}
    return found if teacher is None else found | {"teacher": teacher}


def _measured_on_test(study: Finished) -> dict[str, Measured]:
    """What was measured when the test split was opened, by run, and "teacher"."""
    test = kept(study.folder, "test")
    return test["runs"] if test["teacher"] is None else test["runs"] | {"teacher": test["teacher"]}


def _whole(name: str, measured: Measured, logits: dict[str, Predictions]) -> Measured:
    """The measures of a network with those that its file does not hold, where its logits are kept: agreement with the
    teacher of a run that had none, and measures that are newer than the file.
    """
    if name not in logits:
        return measured
    compared = logits["teacher"].logits if "teacher" in logits and name != "teacher" else None
    return predictions.completed(measured, logits[name], compared)


def _rows(study: Finished, measured: dict[Split, dict[str, Measured]], times: list[Latency]) -> list[Row]:
    """Every row with its gain, and without what only the logits can say."""
    rows: list[Row] = []
    for number, (recipe, label) in enumerate(zip(study.rows, labels(study.rows), strict=True)):
        card = study.of_row(number)[0].result("card")
        rows.append(
            {
                "label": label,
                "method": recipe.to_dict()["method"],
                "parameters": card["parameters"],
                "macs": card["macs"],
                "latency_ms": times[number],
                "seeds": [_seed(run, measured) for run in study.of_row(number)],
            }
        )
    for split in SPLITS:
        gains = judged([_paired(row, rows[0], split) for row in rows[1:]])
        for row, gain in zip(rows[1:], gains, strict=True):
            row.setdefault("gain", {})[split] = gain
    return rows


def _seed(run: Run, measured: dict[Split, dict[str, Measured]]) -> Seed:
    recipe, cost, name = run.recipe, run.result("cost"), run.path.name
    steps_per_epoch = max(1, run.curve("val", "top1")[-1][0] // recipe.fit.epochs)
    return {
        "run": name,
        "seed": recipe.seed,
        "val": measured["val"][name],
        "test": measured["test"][name],
        "best_val": cost["best_val"],
        "seconds": cost["seconds"],
        "images_per_second": cost["images_per_second"],
        "curves": {
            "val_top1": [[step / steps_per_epoch, value] for step, value in run.curve("val", "top1")],
            "train_loss": [[step / steps_per_epoch, value] for step, value in run.curve("train", "loss")],
        },
    }


def _paired(row: Row, baseline: Row, split: Split) -> Gain:
    mine, alone = ([seed[split]["top1"] for seed in of_row["seeds"]] for of_row in (row, baseline))
    return paired_gain(mine, alone)


def _by_image(rows: list[Row], teacher: Teacher | None, split: Split, answers: dict[str, Predictions]) -> None:
    """Adds what only the logits of a split can say.

    To every seed `interval` (over the images) and `mcnemar` (against its baseline), to every row `fidelity`, to the
    teacher `reliability`.
    """
    by_row = [[answers[seed["run"]].logits for seed in row["seeds"]] for row in rows]
    labels = answers[rows[0]["seeds"][0]["run"]].labels
    alone, taught = by_row[0], answers["teacher"].logits if "teacher" in answers else None
    for row, of_row in zip(rows, by_row, strict=True):
        found: Fidelity = {"reliability": fidelity.reliability(of_row, labels)}
        if row is not rows[0]:
            found = {**found, **fidelity.changes(of_row, alone, labels)}
            if taught is not None:
                found["inherited"] = fidelity.inherited(of_row, alone, taught, labels)
        row.setdefault("fidelity", {})[split] = found
        for seed, mine, base in zip(row["seeds"], of_row, alone, strict=True):
            right = fidelity.right(mine, labels)
            seed.setdefault("interval", {})[split] = list(image_interval(right))
            if row is not rows[0]:
                seed.setdefault("mcnemar", {})[split] = mcnemar(right, fidelity.right(base, labels))
    if teacher and taught is not None:
        teacher.setdefault("reliability", {})[split] = fidelity.reliability([taught], labels)


def _gallery(study: Finished, rows: list[Row], on_val: dict[str, Predictions]) -> dict[str, Any] | None:
    """A dozen validation images and what teacher, baseline and the student that is handed over say of them."""
    number, shown = study.shown
    taught_on = rows[number].get("fidelity", {}).get("val", {}).get("inherited")
    if number == 0 or not study.rows[number].taught_by or taught_on is None:
        return None
    chosen = gallery(
        study.dataset.val,
        on_val,
        baseline=study.trained[0, shown.recipe.seed].path.name,
        student=shown.path.name,
        temperature=lessons.temperature(study.rows[number]),
        learnt=[image["position"] for image in taught_on["images"]],
    )
    return chosen | {"seed": shown.recipe.seed}


def _teacher(
    study: Finished, members: list[Member], measured: dict[Split, dict[str, Measured]], latency: Latency
) -> Teacher:
    shape = (1, *study.dataset.train.shape)
    return {
        "name": added_up(member.model.name for member in members),
        "parameters": sum(parameters(member.network) for member in members),
        "macs": sum(macs(member.network, shape) for member in members),
        "latency_ms": latency,
        "val": measured["val"]["teacher"],
        "val_held_out": all(held_out(study.taught, spec) for spec in study.taught.taught_by),
        "test": measured["test"].get("teacher"),
    }


def _latencies(study: Finished, members: list[Member]) -> list[Latency]:
    """The latency of every row, and last a teacher's; students of one size are timed once."""
    firsts = [study.of_row(number)[0] for number in range(len(study.rows))]
    cards = [run.result("card") for run in firsts]
    sizes = [(card["parameters"], card["macs"]) for card in cards]
    students = {size: load_student(run, study.dataset) for size, run in reversed([*zip(sizes, firsts, strict=True)])}
    networks = [*students.values(), *(member.network for member in members)]
    times = latencies(networks, study.dataset.train.shape)
    by_size = dict(zip(students, times, strict=False))
    of_members = times[len(students) :]
    together = {name: sum(time[name] for time in of_members) for name in ("p50", "p90")}
    return [by_size[size] for size in sizes] + ([together] if members else [])


def _tuning(folder: Path, rows: list[Row]) -> Tuning | None:
    """The search that the study closes, and what fresh seeds left of its winner's gain over the defaults."""
    if not (folder / "tuning.json").exists():
        return None
    tuning = kept(folder, "tuning")
    by_label = {row["label"]: row for row in rows}
    tuned, defaults = by_label[tuning["tuned_row"]], by_label[tuning["defaults_row"]]
    return {**tuning, "fresh": {split: _paired(tuned, defaults, split) for split in SPLITS}}
