"""Prints finished runs and studies side by side on val, as `tutelage compare` does."""

import statistics

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.measure.measures import MEASURES, directions
from tutelage.measure.statistics import how_little
from tutelage.names import shown_in
from tutelage.report import text
from tutelage.report.table import PIPED_WIDTH, headed
from tutelage.run import conditions
from tutelage.study.compare import Compared, Comparison, Difference

VERDICTS = {"gain": "better", "loss": "worse", "none": "no difference shown", "few": "too few seeds for an interval"}


def print_comparison(compared: Comparison, console: Console) -> None:
    """Accuracies and what may be said of each difference, every measure, and the fields in which the recipes differ."""
    if not console.is_terminal:
        console = Console(file=console.file, width=PIPED_WIDTH, color_system=None)
    compared = shown_in(compared)
    rows, places = compared["groups"], text.decimals(compared["images"])
    first = rows[0]["label"]
    console.print(Text(f"on val of {compared['data']} ({compared['images']:,} images), epochs: {compared['epochs']}"))
    console.print(_differences(rows, places))
    for line in [note for row in rows for note in _notes(row, first, places)]:
        console.print(Text(line), soft_wrap=not console.is_terminal)
    names = [name for name in MEASURES if name != "top1" and any(_mean(row, name) is not None for row in rows)]
    console.print(_measures(rows, names, places))
    if better := directions(names):
        console.print(Text(better), soft_wrap=not console.is_terminal)
    for line in (how_little(compared["images"]), *conditions.in_words(compared["conditions"])):
        if line:
            console.print(Text(line), soft_wrap=not console.is_terminal)
    console.print("they differ in", highlight=False)
    console.print(_fields(rows, compared["differences"]))


def _differences(rows: list[Compared], places: int) -> Table:
    first = rows[0]["label"]
    table = headed("", ["seeds", "val top-1", f"against {first} (95 % interval, n)"])
    table.add_column("")
    for row in rows:
        seeds = " ".join(map(str, row["seeds"]))
        table.add_row(
            *map(Text, (row["label"], seeds, text.spread(row["top1"], places), *_verdict(row, first, places)))
        )
    return table


def _verdict(row: Compared, first: str, places: int) -> tuple[str, str]:
    """The paired difference, and what it shows in words."""
    if "difference" not in row:
        return "", ""
    gain = row["difference"]
    if gain is None:
        return "", f"no seed is shared with {first}: not paired"
    within = ", ".join(filter(None, [text.interval(gain, places), f"n = {gain['n']}"]))
    margin = f"; none larger than {100 * gain['margin']:g} points" if gain["equivalent"] else ""
    few = "; very few seeds" if gain["pairs"] == "few" else ""
    return f"{text.points(gain['mean'], places)} ({within})", f"{VERDICTS[gain['verdict']]}{margin}{few}"


def _notes(row: Compared, first: str, places: int) -> list[str]:
    """What the images alone say of single runs, where there are too few seeds for more."""
    lines = []
    if row["interval"] is not None:
        low, high = (text.percent(end, places) for end in row["interval"])
        lines.append(f"{row['label']}: one run, {low} to {high} over the images (bootstrap); other seeds are not in it")
    difference = row.get("difference")
    if difference and difference["pairs"] == "too few":
        for seed, test in zip(row.get("shared", []), row.get("mcnemar", []), strict=True):
            lines.append(
                f"seed {seed}: {row['label']} alone is right on {test['only_one']:,} images, {first} alone on "
                f"{test['only_other']:,} (McNemar p = {test['p']:.2g}: of these two networks, not of the recipes)"
            )
    return lines


def _measures(rows: list[Compared], names: list[str], places: int) -> Table:
    """The means over the seeds."""
    table = headed("on val", [MEASURES[name].title for name in names])
    for row in rows:
        table.add_row(Text(row["label"]), *(Text(MEASURES[name].text(_mean(row, name), places)) for name in names))
    return table


def _mean(row: Compared, name: str) -> float | None:
    """None where a seed lacks the measure: a mean over other seeds is not to be compared."""
    of_seeds = row["measures"][name]
    known = [value for value in of_seeds if value is not None]
    return statistics.mean(known) if len(known) == len(of_seeds) else None


def _fields(rows: list[Compared], differences: list[Difference]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in ("", *(row["label"] for row in rows)):
        table.add_column(Text(name))
    for difference in differences:
        present = [value for value in difference["values"] if value is not None]
        # Of a method or a teacher that one recipe alone has, the name says enough.
        if all(value == present[0] for value in present) and not difference["field"].endswith("name"):
            continue
        cells = ["-" if value is None else str(value) for value in difference["values"]]
        table.add_row(*map(Text, (difference["field"], *cells)))
    return table
