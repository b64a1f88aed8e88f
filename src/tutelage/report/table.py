"""Prints the main table of a study on the terminal; plain text where it is piped."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.progress import duration, size
from tutelage.report import text
from tutelage.report.claim import about_teacher, claim, verdict
from tutelage.report.summary import methods

PIPED_WIDTH = 200
"""A pipe has no width; a table that is folded at 80 columns is no table."""

STYLES = {"gain": "bold green", "loss": "bold red", "none": "yellow", "few": "yellow"}


def print_table(results: dict[str, Any], console: Console) -> None:
    """Prints the teacher, one row a method, what it cost, test openings, the exported file and the claim."""
    if not console.is_terminal:
        console = Console(file=console.file, width=PIPED_WIDTH, color_system=None)
    rows = methods(results)
    places = {split: text.decimals(results["rows"][0]["seeds"][0][split]["images"]) for split in ("val", "test")}

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style), soft_wrap=not console.is_terminal)

    if results["teacher"]:
        say(_teacher(results["teacher"], places))
    console.print(_table(rows, places, has_teacher=results["teacher"] is not None))
    if unlabeled := results["data"].get("unlabeled", 0):
        say(f"{unlabeled:,} images without a label were learnt from too, by every row but the baseline")
    number = len(results["seeds"])
    if number < 3:
        say(f"no intervals: {number} of the at least 3 paired seeds that one needs")
    if number >= 3 and any(row["gain"]["test"].get("pairs") == "few" for row in rows[1:]):
        say(f"{number} pairs are few: 5 or more make the intervals a good deal narrower")
    if len(rows) > 2 and "p_adjusted" in rows[1]["gain"]["test"]:
        say(f"verdicts and colours are corrected for comparing {len(rows) - 1} methods (Holm); intervals are not")
    elif len(rows) > 2:
        say(f"each interval is for itself: not corrected for comparing {len(rows) - 1} methods")
    say(_cost(results["cost"]))
    openings = results["test_openings"]
    say(f"test split opened {_times(len(openings['study']))} by this study, {_times(openings['all'])} in all")
    if results["export"]["onnx"]:
        say(_export(results["export"]))
    say(claim(results), "bold")
    if about := about_teacher(results):
        say(about)


def _table(rows: list[dict[str, Any]], places: dict[str, int], *, has_teacher: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("method")
    names = ["val top-1", "test top-1", "gain on test (95 % interval, n)"]
    names += ["agreement with teacher"] * has_teacher + ["parameters"]
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        cells = [Text(row["label"])]
        cells += [Text(text.spread(row["top1"][split], places[split])) for split in ("val", "test")]
        cells += [_gain(row["gain"]["test"], places["test"]) if row["gain"] else Text("")]
        cells += [Text(text.percent(row["agreement"], places["test"]))] * has_teacher
        table.add_row(*cells, Text(text.count(row["parameters"])))
    return table


def _gain(gain: dict[str, Any], places: int) -> Text:
    within = ", ".join(filter(None, [text.interval(gain, places), f"n = {gain['n']}"]))
    return Text(f"{text.points(gain['mean'], places)} ({within})", STYLES[verdict(gain)])


def _teacher(teacher: dict[str, Any], places: dict[str, int]) -> str:
    val = f"val {text.percent(teacher['val']['top1'], places['val'])}"
    if not teacher["val_held_out"]:
        val += " (trained on these images)"
    test = f"test {text.percent(teacher['test']['top1'], places['test'])}" if teacher["test"] else "test not measured"
    size = f"{text.count(teacher['parameters'])} parameters, {text.count(teacher['macs'])} multiply-adds"
    return f"teacher {teacher['name']}: {val}, {test}, {size}"


def _cost(cost: dict[str, Any]) -> str:
    line, training = f"{duration(cost['wall_seconds'])} in all, ", duration(cost["training_seconds"])
    if cost["training_seconds"] > cost["wall_seconds"]:
        line += f"beside runs of earlier commands: {training} of training students"
    else:
        line += f"{training} of it training students"
    if cost["teacher_training_seconds"]:
        line += f", teacher's training {duration(cost['teacher_training_seconds'])}"
    paid, saved = cost["teacher_passes_paid"], cost["teacher_passes_saved"]
    return f"{line}; teacher passes paid {paid:,}, saved {saved:,}"


def _export(export: dict[str, Any]) -> str:
    onnx = export["onnx"]
    return (
        f"exported {export['run']}/{onnx['file']}: {size(onnx['bytes'])}, val top-1 {text.percent(onnx['val_top1'])} "
        f"by ONNX Runtime, {onnx['latency_ms']['p50']:.3g} ms an image on one thread"
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
