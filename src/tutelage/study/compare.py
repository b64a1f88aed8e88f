"""Any finished runs or studies side by side, where they can be: on val, paired by seed, and in what they differ."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage import data
from tutelage.errors import UserError
from tutelage.measure import fidelity
from tutelage.measure.statistics import image_interval, judged, mcnemar, paired_gain
from tutelage.methods.baseline import Baseline
from tutelage.report import text
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, method_words
from tutelage.run.record import kept
from tutelage.study.study import Study
from tutelage.training import predictions

ALIKE = ("data.", "augment.", "views", "fit.epochs")
"""What must be the same, or a difference would be of the images and of the budget: the data and their split, what is
made of them, and how often each is seen."""
WIDTH = 200
"""Of a table that is piped."""


class Group(NamedTuple):
    """The runs of one recipe, by seed."""

    recipe: Recipe
    runs: dict[int, Run]


def groups(paths: list[Path]) -> list[Group]:
    """The runs in some folders of runs and studies, by recipe up to the seed; a baseline first.

    Raises:
        UserError: no run or study, an unfinished run, runs of a study that are gone, recipes that cannot be compared.
    """
    found: list[Group] = []
    for run in dict.fromkeys(run for path in paths for run in _runs(path)):
        if not run.done:
            raise UserError(f"{run.path} is not finished", f"tutelage train {run.path}/recipe.json goes on")
        recipe = dataclasses.replace(run.recipe, seed=0)
        group = next((group for group in found if group.recipe == recipe), None)
        if group is None:
            group = Group(recipe, {})
            found.append(group)
        group.runs[run.recipe.seed] = run
    if len(found) < 2:
        raise UserError(
            "there is nothing to compare: all runs are of one recipe, up to the seed", "name runs of another recipe too"
        )
    for group in found[1:]:
        apart = [d for d in differences([found[0].recipe, group.recipe]) if d["field"].startswith(ALIKE)]
        if apart:
            told = "; ".join(f"{d['field']} is {d['values'][0]} and {d['values'][1]}" for d in apart)
            one, other = (next(iter(g.runs.values())).path.name for g in (found[0], group))
            raise UserError(
                f"{one} and {other} cannot be compared: {told}",
                "the difference would be of the images or of the budget; train one of them as the other was",
            )
    return sorted(found, key=lambda group: not isinstance(group.recipe.method, Baseline))


def differences(recipes: list[Recipe]) -> list[dict[str, Any]]:
    """The fields in which recipes differ: `field`, dotted as on the command line, and `values`, one a recipe.

    >>> from tutelage.methods import DIST, KD
    >>> from tutelage.run.recipe import TeacherSpec
    >>> differences([Recipe(teacher=TeacherSpec(), method=KD()), Recipe(teacher=TeacherSpec(), method=KD(2.0))])
    [{'field': 'method.temperature', 'values': [4.0, 2.0]}]
    """
    flat = [_flat(dataclasses.replace(recipe, seed=0).to_dict()) for recipe in recipes]
    fields = dict.fromkeys(field for one in flat for field in one)
    told = [{"field": field, "values": [one.get(field) for one in flat]} for field in fields]
    return [d for d in told if any(value != d["values"][0] for value in d["values"])]


def comparison(found: list[Group], data_root: Path | None = None) -> dict[str, Any]:
    """The numbers: every group on val, and its paired difference to the first.

    Returns:
        `data`, `images`, `epochs`; `groups`, each with its `label`, `seeds`, `runs`, `top1` (one a seed) and, of one
        seed alone, `interval` over the images; of all but the first `shared` seeds, `difference` (see `judged`; None
        without a shared seed) and `mcnemar`, one a shared seed; `differences` of the recipes.
    """
    dataset = data.load(found[0].recipe.data, data_root)
    kept = [{seed: predictions.on_val(run, dataset) for seed, run in sorted(g.runs.items())} for g in found]
    right = [{seed: fidelity.right(*one) for seed, one in group.items()} for group in kept]
    told: list[dict[str, Any]] = []
    for label, group, of_group in zip(_labels(found), found, right, strict=True):
        top1 = [float(one.mean()) for one in of_group.values()]
        one: dict[str, Any] = {"label": label, "seeds": list(of_group), "top1": top1}
        one["runs"] = [group.runs[seed].path.name for seed in of_group]
        one["interval"] = image_interval(next(iter(of_group.values()))) if len(top1) == 1 else None
        told.append(one)
    paired = []
    for one, of_group in zip(told[1:], right[1:], strict=True):
        one["shared"] = [seed for seed in of_group if seed in right[0]]
        one["mcnemar"] = [mcnemar(of_group[seed], right[0][seed]) for seed in one["shared"]]
        one["difference"] = None
        if one["shared"]:
            mine, first = ([float(side[seed].mean()) for seed in one["shared"]] for side in (of_group, right[0]))
            one["difference"] = paired_gain(mine, first)
            paired.append(one)
    for one, difference in zip(paired, judged([one["difference"] for one in paired]), strict=True):
        one["difference"] = difference
    return {
        "data": found[0].recipe.data.name,
        "images": len(dataset.val),
        "epochs": found[0].recipe.fit.epochs,
        "groups": told,
        "differences": differences([group.recipe for group in found]),
    }


def print_comparison(told: dict[str, Any], console: Console) -> None:
    """The table, what may be said of each difference, and the fields in which the recipes differ."""
    if not console.is_terminal:
        console = Console(file=console.file, width=WIDTH, color_system=None)
    places = text.decimals(told["images"])
    first = told["groups"][0]["label"]
    console.print(f"on val of {told['data']} ({told['images']:,} images), epochs: {told['epochs']}", highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for number, name in enumerate(("", "seeds", "val top-1", f"against {first} (95 % interval, n)", "")):
        table.add_column(name, justify="right" if 1 <= number <= 3 else "left")
    for one in told["groups"]:
        seeds = " ".join(map(str, one["seeds"]))
        cells = [one["label"], seeds, text.spread(one["top1"], places), *_said(one, first, places)]
        table.add_row(*map(Text, cells))
    console.print(table)
    for one in told["groups"]:
        for line in _notes(one, first, places):
            console.print(Text(line), soft_wrap=not console.is_terminal)
    console.print("they differ in", highlight=False)
    fields = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in ("", *(one["label"] for one in told["groups"])):
        fields.add_column(Text(name))
    for difference in told["differences"]:
        present = [value for value in difference["values"] if value is not None]
        # Of a method or a teacher that one recipe alone has, the name says enough.
        if all(value == present[0] for value in present) and not difference["field"].endswith("name"):
            continue
        cells = ["-" if value is None else str(value) for value in difference["values"]]
        fields.add_row(*map(Text, (difference["field"], *cells)))
    console.print(fields)


def _said(one: dict[str, Any], first: str, places: int) -> tuple[str, str]:
    """The paired difference, and the verdict in words."""
    if "difference" not in one:
        return "", ""
    gain = one["difference"]
    if gain is None:
        return "", f"no seed is shared with {first}: not paired"
    within = ", ".join(filter(None, [text.interval(gain, places), f"n = {gain['n']}"]))
    number = f"{text.points(gain['mean'], places)} ({within})"
    words = {"gain": "better", "loss": "worse", "none": "no difference shown", "few": "too few seeds for an interval"}
    margin = f"{100 * gain['margin']:g} points"
    also = {True: f"; none larger than {margin}", False: "", None: ""}[gain["equivalent"]]
    few = "; very few seeds" if gain["pairs"] == "few" else ""
    return number, f"{words[gain['verdict']]}{also}{few}"


def _notes(one: dict[str, Any], first: str, places: int) -> list[str]:
    """What the images alone say of single runs, where there are too few seeds for more."""
    lines = []
    if one["interval"] is not None:
        low, high = (text.percent(end, places) for end in one["interval"])
        lines.append(f"{one['label']}: one run, {low} to {high} over the images (bootstrap); other seeds are not in it")
    if one.get("difference") and one["difference"]["pairs"] == "too few":
        for seed, test in zip(one["shared"], one["mcnemar"], strict=True):
            lines.append(
                f"seed {seed}: {one['label']} alone is right on {test['only_one']:,} images, {first} alone on "
                f"{test['only_other']:,} (McNemar p = {test['p']:.2g}: of these two networks, not of the recipes)"
            )
    return lines


def _runs(path: Path) -> list[Run]:
    if not (path / "study.json").is_file():
        return [Run.open(path)]
    Study.open(path)
    if not (path / "results.json").is_file():
        raise UserError(f"{path} has no results yet", "tutelage distill with the same recipe goes on")
    names = [seed["run"] for row in kept(path, "results")["rows"] for seed in row["seeds"]]
    gone = [name for name in names if not (path.parent / name / "recipe.json").is_file()]
    if gone:
        raise UserError(
            f"runs of {path} are gone from {path.parent}: {', '.join(gone)}",
            "tutelage distill with the study's recipe trains them again, to the same numbers",
        )
    return [Run.open(path.parent / name) for name in names]


def _labels(found: list[Group]) -> list[str]:
    """Method and student, where students differ, and what else tells groups of one name apart."""
    students = {group.recipe.student.name for group in found}
    names = []
    for group in found:
        student = f" {Path(group.recipe.student.name).name}" if len(students) > 1 else ""
        names.append(method_words(group.recipe.method) + student)
    told = []
    for name, group in zip(names, found, strict=True):
        alike = [g.recipe for n, g in zip(names, found, strict=True) if n == name]
        place = alike.index(group.recipe)
        own = [f"{d['field'].removeprefix('method.')} {d['values'][place]}" for d in differences(alike)]
        told.append(f"{name} ({', '.join(own)})" if own else name)
    return told


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value and not where.endswith("options."):
        return {name: item for key, inner in value.items() for name, item in _flat(inner, f"{where}{key}.").items()}
    return {where[:-1]: value}
