"""Prints the main table of a study on the terminal; plain text where it is piped."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.measure.measures import MEASURES, directions
from tutelage.measure.statistics import Judged
from tutelage.names import shown_in
from tutelage.report import sentences, text
from tutelage.report.claim import about_leakage, about_teacher, claim
from tutelage.report.results import Results, Split, Teacher
from tutelage.report.summary import MeasureColumn, Summary, measure_columns

PIPED_WIDTH = 200
"""A pipe has no width; a table that is folded at 80 columns is no table."""

STYLES = {"gain": "bold green", "loss": "bold red", "none": "yellow", "few": "yellow"}


def print_table(results: Results, console: Console) -> None:
    """Prints the teacher, one row a method, every measure, cost, test openings, the exported file and the claim."""
    if not console.is_terminal:
        console = Console(file=console.file, width=PIPED_WIDTH, color_system=None)
    results = shown_in(results)
    summary = Summary.of(results)

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style), soft_wrap=not console.is_terminal)

    if results["teacher"]:
        say(_teacher(results["teacher"], summary.places))
    console.print(_gains(summary))
    columns = [column for column in measure_columns(summary) if column.name != "top1"]
    wide = _measures(summary, columns)
    needed = console.measure(wide, options=console.options.update_width(1000)).maximum
    console.print(wide if needed <= console.width else _measures(summary, columns, turned=True))
    for line in filter(None, (directions(column.name for column in columns), *_caveats(summary))):
        say(line)
    say(sentences.cost(results))
    say(sentences.openings(results["test_openings"]))
    for line in sentences.handed_over(summary):
        say(line)
    if needs := sentences.microcontroller(summary):
        say(needs)
    say(claim(results), "bold")
    if about := about_teacher(results):
        say(about)
    if leaked := about_leakage(results):
        say(leaked)


def headed(first: str, names: list[str]) -> Table:
    """An empty table without lines: a column of labels, and columns of numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(first)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _gains(summary: Summary) -> Table:
    """Accuracies and what was gained."""
    places = summary.places
    table = headed("method", ["val top-1", "test top-1", "gain on test (95 % interval, n)", "parameters"])
    for row in summary.rows:
        top1 = [Text(text.spread(row.top1[split], places[split])) for split in places]
        gain = _gain(row.gain["test"], places["test"]) if row.gain else Text("")
        table.add_row(Text(row.label), *top1, gain, Text(text.count(row.parameters)))
    return table


def _measures(summary: Summary, columns: list[MeasureColumn], *, turned: bool = False) -> Table:
    """Measures, the teacher first where it was measured on test; turned: a line a measure, for a narrow terminal."""
    labels = [row.label for row in summary.rows]
    teacher = summary.results["teacher"]
    labels = ["teacher", *labels] if teacher and teacher["test"] else labels
    titles = [MEASURES[column.name].title for column in columns]
    lines = [("on test", *titles), *zip(labels, *(column.cells for column in columns), strict=True)]
    (first, *headings), *lines = zip(*lines, strict=True) if turned else lines
    table = headed(first, headings)
    for cells in lines:
        table.add_row(*map(Text, cells))
    return table


def _caveats(summary: Summary) -> list[str]:
    """What to keep in mind about the two tables."""
    results, rows = summary.results, summary.rows
    lines, seeds = [], len(results["seeds"])
    if seeds < 3:
        lines.append(f"no intervals: {seeds} of the at least 3 paired seeds that one needs")
    elif any(row.gain and row.gain["test"]["pairs"] == "few" for row in rows):
        lines.append(f"{seeds} pairs are few: 5 or more make the intervals a good deal narrower")
    lines += sentences.caveats(results)
    if len(rows) > 2:
        lines.append(
            f"verdicts and colours are corrected for comparing {len(rows) - 1} methods (Holm); intervals are not"
        )
    return lines


def _gain(gain: Judged, places: int) -> Text:
    within = ", ".join(filter(None, [text.interval(gain, places), f"n = {gain['n']}"]))
    return Text(f"{text.points(gain['mean'], places)} ({within})", STYLES[gain["verdict"]])


def _teacher(teacher: Teacher, places: dict[Split, int]) -> str:
    val = f"val {text.percent(teacher['val']['top1'], places['val'])}"
    if not teacher["val_held_out"]:
        val += " (trained on these images)"
    test = f"test {text.percent(teacher['test']['top1'], places['test'])}" if teacher["test"] else "test not measured"
    size = f"{text.count(teacher['parameters'])} parameters, {text.count(teacher['macs'])} multiply-adds"
    return f"teacher {teacher['name']}: {val}, {test}, {size}"
