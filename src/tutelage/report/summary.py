"""Turns results.json into tables, one record a row, which the terminal, the page and its charts all show."""

import json
import shlex
import statistics
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, NamedTuple, TypedDict, cast

from tutelage import files
from tutelage.measure.measures import MEASURES, Measured, taken
from tutelage.measure.statistics import Judged
from tutelage.names import shown_in
from tutelage.report import text
from tutelage.report.results import Latency, Needs, Results, Split

SPLITS: tuple[Split, Split] = ("val", "test")


@dataclass(frozen=True)
class MethodRow:
    """A row of the study, its seeds together."""

    label: str
    top1: dict[Split, list[float]]
    """One share a seed."""
    gain: dict[Split, Judged] | None
    """Over the baseline; None for the baseline itself."""
    measures: dict[str, float | None]
    """The mean over the seeds on test of every measure; None where it was not taken."""
    per_class: list[float | None]
    """The mean over the seeds on test."""
    parameters: int
    macs: int
    latency_ms: Latency
    needs: Needs | None
    """Of a microcontroller, where that is known."""


@dataclass(frozen=True)
class Summary:
    """A study's results with what every part of its report needs of them."""

    results: Results
    rows: list[MethodRow]
    """Baseline first."""
    row: MethodRow | None
    """The method the claim is about; None where there is the baseline alone."""
    places: dict[Split, int]
    """Decimals of a percentage that a split's images can tell apart."""

    @staticmethod
    def of(results: Results) -> "Summary":
        """The summary of a study's results."""
        rows, first = methods(results), results["rows"][0]["seeds"][0]
        places: dict[Split, int] = {"val": text.decimals(first["val"]["images"])}
        return Summary(results, rows, shown(rows), places | {"test": text.decimals(first["test"]["images"])})

    @property
    def number(self) -> int | None:
        """The place of the row that the claim is about among the rows."""
        return next((number for number, row in enumerate(self.rows) if row is self.row), None)


class MeasureColumn(NamedTuple):
    """A measure on test in a table: its name in `MEASURES`, and one cell a row."""

    name: str
    cells: list[str]


def measure_columns(summary: Summary) -> list[MeasureColumn]:
    """Every measure that some row has on test, the teacher (where it was measured) before the rows."""
    teacher, places = summary.results["teacher"], summary.places["test"]
    tested = teacher and teacher["test"]
    lines = [_measures([tested])] if tested else []
    lines += [row.measures for row in summary.rows]
    return [
        MeasureColumn(name, [measure.text(line[name], places) for line in lines])
        for name, measure in MEASURES.items()
        if any(line[name] is not None for line in lines)
    ]


def presentable(results: Results) -> Results:
    """The results without the folders of the machine that made them: a report is for others."""
    plain = shown_in(files.without_folders(results))
    command = plain["environment"]["command"]
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    parts = (word.rpartition("=") for word in _typed(words))
    command = shlex.join(name + equals + files.without_folders(value) for name, equals, value in parts)
    plain["environment"]["command"] = command
    return plain


def _typed(words: list[str]) -> list[str]:
    """How a program's words were typed; none of a notebook, whose kernel nobody starts by hand."""
    program = words[0] if words else ""
    if program == "ipykernel_launcher.py":
        return []
    if program == "__main__.py":
        return ["python", "-m", "tutelage", *words[1:]]
    return ["python", *words] if program.endswith(".py") else words


def methods(results: Results) -> list[MethodRow]:
    """One record a row of the study, baseline first."""
    return [
        MethodRow(
            label=label,
            top1={split: [seed[split]["top1"] for seed in row["seeds"]] for split in SPLITS},
            gain=row.get("gain"),
            measures=_measures([seed["test"] for seed in row["seeds"]]),
            per_class=_by_class([seed["test"]["per_class"] for seed in row["seeds"]]),
            parameters=row["parameters"],
            macs=row["macs"],
            latency_ms=row["latency_ms"],
            needs=row.get("microcontroller"),
        )
        for label, row in zip(_labels(results), results["rows"], strict=True)
    ]


def shown(rows: list[MethodRow]) -> MethodRow | None:
    """The method the claim is about: the best on val, so that test chooses nothing; None without any."""
    return max((row for row in rows if row.gain), key=_gain_on_val, default=None)


def _gain_on_val(row: MethodRow) -> float:
    return cast(dict[Split, Judged], row.gain)["val"]["mean"]


class CurvePoint(NamedTuple):
    """A point of a row's curve, over its seeds."""

    epoch: float
    mean: float
    low: float
    high: float


def curves(results: Results, name: Literal["val_top1", "train_loss"], most: int = 60) -> list[list[CurvePoint]]:
    """For each row the points of a curve, at most about `most`: more would only make the page heavy."""
    of_rows = []
    for row in results["rows"]:
        by_epoch: dict[float, list[float]] = {}
        for seed in row["seeds"]:
            for epoch, value in seed["curves"][name]:
                by_epoch.setdefault(epoch, []).append(value)
        epochs = sorted(by_epoch)
        shown = epochs[:: -(-len(epochs) // most)] if epochs else []
        if epochs and shown[-1] != epochs[-1]:
            shown.append(epochs[-1])
        reached = [(epoch, by_epoch[epoch]) for epoch in shown]
        of_rows.append([CurvePoint(round(epoch, 3), statistics.mean(v), min(v), max(v)) for epoch, v in reached])
    return of_rows


ClassColumn = Literal["baseline", "student", "teacher"]


class ClassRow(TypedDict):
    """A class's name, and the accuracy on its test images."""

    name: str
    baseline: float | None
    student: float | None
    """The student of the method that the claim is about."""
    teacher: float | None


def classes(results: Results, row: MethodRow | None) -> list[ClassRow]:
    """One record a class, for that row."""
    baseline = methods(results)[0].per_class
    student = row.per_class if row else [None] * len(baseline)
    tested = results["teacher"] and results["teacher"]["test"]
    teacher = tested["per_class"] if tested else [None] * len(baseline)
    names = results["data"]["classes"]
    return [
        {"name": name, "baseline": b, "student": s, "teacher": t}
        for name, b, s, t in zip(names, baseline, student, teacher, strict=True)
    ]


def recipes(results: Results) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every field of every recipe: those that differ, and those that all share.

    Returns:
        `field` and `values`, one a row of the study, of the first; `field` and `value` of the second. The fields
        of the teacher are compared among the recipes that have one.
    """
    flat = [_flat(recipe) for recipe in results["recipes"]]
    differing, shared = [], []
    for field in dict.fromkeys(field for recipe in flat for field in recipe):
        values = [recipe.get(field) for recipe in flat]
        present = {value for value in values if value is not None}
        if len(present) > 1 or field.startswith("method.") or field == "teacher.model.name":
            differing.append({"field": field, "values": values})
        else:
            shared.append({"field": field, "value": present.pop()})
    return differing, shared


def _labels(results: Results) -> list[str]:
    """Names; where a method occurs more than once, with the fields of its recipes that differ."""
    names = [PurePath(row["label"]).name for row in results["rows"]]
    flat = [_flat(recipe) for recipe in results["recipes"]]
    labels = []
    for name, recipe in zip(names, flat, strict=True):
        same = [other for other_name, other in zip(names, flat, strict=True) if other_name == name]
        own = [
            f"{field.removeprefix('method.')} {value}"
            for field, value in recipe.items()
            if any(other.get(field) != value for other in same)
        ]
        label = ", ".join([name, *own]).replace("teacher.model.name ", "from ")
        label = label.replace('data.unlabeled ""', "labelled alone").replace("data.unlabeled ", "with ")
        label = label.replace("start_epochs 0", "no start")
        labels.append(label.replace("start_epochs ", "epochs of embeddings before: "))
    return labels


def _flat(value: Any, where: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        found: dict[str, str] = {}
        for name, item in value.items():
            # Every seed has its own run, and the schema says nothing about the training.
            if f"{where}{name}" not in ("seed", "schema"):
                found |= _flat(item, f"{where}{name}.")
        return found
    if value is None:
        return {}
    return {where[:-1]: value if isinstance(value, str) and value else json.dumps(value)}


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.mean(present) if present else None


def _measures(of_seeds: list[Measured]) -> dict[str, float | None]:
    by_name = [taken(measured) for measured in of_seeds]
    return {name: _mean([of_seed.get(name) for of_seed in by_name]) for name in MEASURES}


def _by_class(of_seeds: list[list[float | None]]) -> list[float | None]:
    return [_mean(list(of_class)) for of_class in zip(*of_seeds, strict=True)]
