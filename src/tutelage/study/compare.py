"""Compares finished runs or studies where they can be compared: on val, paired by seed, and in what they differ.

A thousand runs are looked at in a second: of methods their declarations are enough, and torch is imported where a run
has lost its answers alone.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import numpy as np

from tutelage.errors import UserError
from tutelage.measure.measures import MEASURES, missing, taken
from tutelage.measure.statistics import Gain, Judged, McNemar, image_interval, judged, mcnemar, paired_gain
from tutelage.methods.declared import declarations
from tutelage.methods.finding import is_baseline
from tutelage.report import results
from tutelage.report.records import Record, filled, gained, spread
from tutelage.run.conditions import Apart, apart
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, method_words
from tutelage.study.study import Study
from tutelage.training.hits import Hits, on_val

if TYPE_CHECKING:
    from tutelage.data.splits import DataSet

ALIKE = ("data.", "augment.", "views", "fit.epochs")
"""What must be the same, or a difference would be of the images and of the budget: the data and their split, what is
made of them, and how often each is seen."""


class Group(NamedTuple):
    """The runs of one recipe, by seed."""

    recipe: Recipe
    runs: dict[int, Run]


def groups(paths: list[Path]) -> list[Group]:
    """The runs in some folders of runs and studies, by recipe up to the seed; a baseline first.

    Raises:
        UserError: no run or study, an unfinished run, runs of a study that are gone, recipes that cannot be compared.
    """
    groups: list[Group] = []
    with declarations():
        for run in dict.fromkeys(run for path in paths for run in _runs(path)):
            if not run.done:
                raise UserError(f"{run.path} is not finished", f"tutelage train {run.path}/recipe.json goes on")
            recipe = dataclasses.replace(run.recipe, seed=0)
            group = next((group for group in groups if group.recipe == recipe), None)
            if group is None:
                group = Group(recipe, {})
                groups.append(group)
            group.runs[run.recipe.seed] = run
    if len(groups) < 2:
        raise UserError(
            "there is nothing to compare: all runs are of one recipe, up to the seed", "name runs of another recipe too"
        )
    for group in groups[1:]:
        apart = [d for d in differences([groups[0].recipe, group.recipe]) if d["field"].startswith(ALIKE)]
        if apart:
            reasons = "; ".join(f"{d['field']} is {d['values'][0]} and {d['values'][1]}" for d in apart)
            one, other = (next(iter(g.runs.values())).path.name for g in (groups[0], group))
            raise UserError(
                f"{one} and {other} cannot be compared: {reasons}",
                "the difference would be of the images or of the budget; train one of them as the other was",
            )
    return sorted(groups, key=lambda group: not is_baseline(group.recipe.method))


class Difference(TypedDict):
    """A field in which recipes differ."""

    field: str
    """Dotted, as on the command line."""
    values: list[Any]
    """One a recipe; None where it has no such field."""


class Compared(TypedDict):
    """A group on val, one number a seed, and its paired difference to the first group."""

    label: str
    seeds: list[int]
    runs: list[str]
    top1: list[float]
    measures: dict[str, list[float | None]]
    """By the names of `MEASURES`; None where a measure was not taken."""
    interval: list[float] | None
    """The interval of top-1 over the images, where there is one seed alone."""
    shared: NotRequired[list[int]]
    """The seeds that the first group has too; this and what follows is not in the first group."""
    difference: NotRequired[Judged | None]
    """None without a shared seed."""
    mcnemar: NotRequired[list[McNemar]]
    """One a shared seed."""


class Comparison(TypedDict):
    """Several recipes on the same images."""

    data: str
    images: int
    epochs: int
    groups: list[Compared]
    differences: list[Difference]
    conditions: list[Apart]
    """On what the runs were computed, where that was not the same for all."""


def differences(recipes: list[Recipe]) -> list[Difference]:
    """The fields in which recipes differ.

    >>> from tutelage.methods import DIST, KD
    >>> from tutelage.run.recipe import TeacherSpec
    >>> differences([Recipe(teacher=TeacherSpec(), method=KD()), Recipe(teacher=TeacherSpec(), method=KD(2.0))])
    [{'field': 'method.temperature', 'values': [4.0, 2.0]}]
    """
    flat = [_flat(dataclasses.replace(recipe, seed=0).to_dict()) for recipe in recipes]
    fields = dict.fromkeys(field for recipe in flat for field in recipe)
    every: list[Difference] = [{"field": field, "values": [recipe.get(field) for recipe in flat]} for field in fields]
    return [row for row in every if any(value != row["values"][0] for value in row["values"])]


def comparison(groups: list[Group], data_root: Path | None = None) -> Comparison:
    """The numbers: every group on val, and its paired difference to the first."""

    @cache
    def dataset() -> "DataSet":
        from tutelage import data

        return data.load(groups[0].recipe.data, data_root)

    right = _right(groups, dataset)
    compared: list[Compared] = []
    for label, group, hits in zip(_labels(groups), groups, right, strict=True):
        top1 = [float(of_seed.mean()) for of_seed in hits.values()]
        measured = [_measured(group.runs[seed], dataset) for seed in hits]
        compared.append(
            {
                "label": label,
                "seeds": list(hits),
                "runs": [group.runs[seed].path.name for seed in hits],
                "top1": top1,
                "measures": {name: [of_seed.get(name) for of_seed in measured] for name in MEASURES},
                "interval": list(image_interval(next(iter(hits.values())))) if len(top1) == 1 else None,
            }
        )
    paired: list[tuple[Compared, Gain]] = []
    for row, hits in zip(compared[1:], right[1:], strict=True):
        shared = [seed for seed in hits if seed in right[0]]
        row["shared"], row["difference"] = shared, None
        row["mcnemar"] = [mcnemar(hits[seed], right[0][seed]) for seed in shared]
        if shared:
            mine, first = ([float(side[seed].mean()) for seed in shared] for side in (hits, right[0]))
            paired.append((row, paired_gain(mine, first)))
    for (row, _), difference in zip(paired, judged([gain for _, gain in paired]), strict=True):
        row["difference"] = difference
    return {
        "data": groups[0].recipe.data.name,
        "images": len(next(iter(right[0].values()))),
        "epochs": groups[0].recipe.fit.epochs,
        "groups": compared,
        "differences": differences([group.recipe for group in groups]),
        "conditions": apart(run for group in groups for run in group.runs.values()),
    }


def records(compared: Comparison) -> list[Record]:
    """A record a group, with columns like those of `report.records.of_study`; `difference` is to the first group."""
    rows: list[Record] = []
    for group in compared["groups"]:
        row: Record = {"runs": group["label"], "n": len(group["seeds"])}
        for name, values in group["measures"].items():
            row |= spread(f"val_{name}", values)
        difference = group.get("difference")
        rows.append(row | (gained("difference", difference) if difference else {}))
    return filled(rows)


def _right(groups: list[Group], dataset: "Callable[[], DataSet]") -> list[dict[int, Any]]:
    """On which images of val every run is right, by group and seed.

    Raises:
        UserError: the images of two runs are not the same.
    """
    right: list[dict[int, Any]] = [{} for _ in groups]
    first: Hits | None = None
    for of_group, group in zip(right, groups, strict=True):
        for seed, run in sorted(group.runs.items()):
            seen = on_val(run, dataset)
            first = first or seen
            if not np.array_equal(first.labels, seen.labels):
                name = next(iter(groups[0].runs.values())).path.name
                raise UserError(
                    f"{name} and {run.path.name} cannot be compared: they were validated on other images",
                    "files were added, removed or moved between them; train one of them again",
                )
            of_group[seed] = seen.right
    return right


def _measured(run: Run, dataset: "Callable[[], DataSet]") -> dict[str, float]:
    """A run's measures on val. What compares it with its teacher is there where the run was evaluated."""
    evaluation = run.result("evaluation")
    if evaluation is None or missing(evaluation["val"], taught=False):
        from tutelage.measure.classifier import measure
        from tutelage.training import predictions

        measured = measure(*predictions.on_val(Run(run.path), dataset()))
        return taken({**measured, **evaluation["val"]} if evaluation else measured)
    return taken(evaluation["val"])


def _runs(path: Path) -> list[Run]:
    if not (path / "study.json").is_file():
        return [Run.open(path)]
    Study.open(path)
    names = [seed["run"] for row in results.read(path)["rows"] for seed in row["seeds"]]
    gone = [name for name in names if not (path.parent / name / "recipe.json").is_file()]
    if gone:
        raise UserError(
            f"runs of {path} are gone from {path.parent}: {', '.join(gone)}",
            "tutelage distill with the study's recipe trains them again, to the same numbers",
        )
    return [Run.open(path.parent / name) for name in names]


def _labels(groups: list[Group]) -> list[str]:
    """Method and student, where students differ, and what else tells groups of one name apart."""
    students = {group.recipe.student.name for group in groups}
    names = []
    for group in groups:
        student = f" {Path(group.recipe.student.name).name}" if len(students) > 1 else ""
        names.append(method_words(group.recipe.method) + student)
    labels = []
    for name, group in zip(names, groups, strict=True):
        alike = [g.recipe for n, g in zip(names, groups, strict=True) if n == name]
        place = alike.index(group.recipe)
        own = [f"{d['field'].removeprefix('method.')} {d['values'][place]}" for d in differences(alike)]
        labels.append(f"{name} ({', '.join(own)})" if own else name)
    return labels


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value and not where.endswith("options."):
        return {name: item for key, inner in value.items() for name, item in _flat(inner, f"{where}{key}.").items()}
    return {where[:-1]: value}
