"""Writes records as CSV, JSON, Markdown, LaTeX or Parquet: numbers as they were measured."""

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from tutelage import files
from tutelage.errors import UserError, unknown
from tutelage.names import shown
from tutelage.report.records import Record


def as_csv(records: list[Record]) -> str:
    """Commas, a line of headings, empty where there is no number; every digit of a number."""
    written = io.StringIO()
    writer = csv.DictWriter(written, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return written.getvalue()


def as_json(records: list[Record]) -> str:
    """A list of objects, null where there is no number."""
    return json.dumps(records, indent=2) + "\n"


def as_markdown(records: list[Record]) -> str:
    """A table of GitHub's Markdown, numbers of five digits, aligned on the right."""
    names = list(records[0])
    rows = [[_shown(record[name]).replace("|", "\\|").replace("\n", " ") for name in names] for record in records]
    marks = ["---:" if any(_is_number(record[name]) for record in records) else "---" for name in names]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (names, marks, *rows))


def as_latex(records: list[Record]) -> str:
    """A tabular of booktabs, numbers of five digits, aligned on the right; headings on a line a word."""
    names = list(records[0])
    kinds = "".join("r" if any(_is_number(record[name]) for record in records) else "l" for name in names)
    heads = [f"\\shortstack[{kind}]{{{_escaped(name, '_')}}}" for kind, name in zip(kinds, names, strict=True)]
    lines = [heads, *([_in_latex(record[name]) for name in names] for record in records)]
    head, *body = (f"{' & '.join(cells)} \\\\\n" for cells in lines)
    return (
        "% needs \\usepackage{booktabs}\n"
        f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}\n\\toprule\n{head}\\midrule\n{''.join(body)}"
        "\\bottomrule\n\\end{tabular}\n"
    )


FORMATS: dict[str, Callable[[list[Record]], str] | None] = {
    "csv": as_csv,
    "json": as_json,
    "md": as_markdown,
    "latex": as_latex,
    "parquet": None,  # no text
}


def columns(records: list[Record], names: Iterable[str]) -> list[Record]:
    """The named columns, in the order of their names.

    Raises:
        UserError: there is no such column; the hint names the nearest.
    """
    names, known = list(names), records[0]
    for name in names:
        if name not in known:
            near = unknown("column", re.sub("acc(uracy)?", "top1", name.lower()), known, "--to csv")
            raise UserError(f'unknown column "{shown(name)}"', near.hint)
    return [{name: record[name] for name in names} for record in records]


def take(records: list[Record], format: str, output: Path | None, names: Collection[str] = ()) -> None:
    """Writes records to a file, or to the terminal where none is named.

    Args:
        records: At least one, all with the same columns.
        format: Of `FORMATS`.
        output: Appears whole or not at all. Parquet needs one.
        names: The columns; none: what fits a page in Markdown and LaTeX, all in the formats that programs read.

    Raises:
        UserError: an unknown format or column, Parquet without pyarrow.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if names:
        records = columns(records, names)
    elif format in ("md", "latex"):
        records = columns(records, _of_a_page(records[0]))
    as_text = FORMATS[format]
    if as_text is not None and output is None:
        print(as_text(records), end="")
        return
    if output is None:
        raise ValueError("a Parquet file is no text")
    if as_text is not None:
        with files.appearing(output) as beside:
            beside.write_text(as_text(records), encoding="utf-8")
        return
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("Parquet files are written by pyarrow", "pip install 'tutelage[parquet]'") from None
    with files.appearing(output) as beside:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), beside)


def _of_a_page(columns: Iterable[str]) -> list[str]:
    """Those that people read, of test where it was opened: all of a study's are eight times as wide as a page."""
    known = list(columns)
    split = "test" if "test_top1" in known else "val"
    read = ["method", "runs", "n", f"{split}_top1", f"{split}_top1_sd"]
    read += [f"{gain}{end}" for gain in (f"gain_{split}", "difference") for end in ("", "_low", "_high")]
    return [name for name in read if name in known]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _shown(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a line it would be a length
    "*": "{*}",  # and this the end of a line of which no page may begin
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""What these characters are written as: all others mean themselves."""


def _escaped(text: str, line_break: str = "\n") -> str:
    return "".join(r"\\" if c == line_break else LATEX.get(c, c) for c in text)


def _in_latex(value: str | int | float | None) -> str:
    """A number with a minus and a power of ten as they are printed, or text on one line."""
    shown = _shown(value)
    if not _is_number(value):
        return _escaped(shown.replace("\n", " "))
    digits, _, exponent = shown.partition("e")
    power = rf" \times 10^{{{int(exponent)}}}" if exponent else ""
    return f"${digits}{power}$" if power or shown.startswith("-") else shown
