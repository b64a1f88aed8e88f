"""Writes records as CSV, JSON, Markdown, LaTeX or Parquet: numbers as they were measured."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from tutelage import files
from tutelage.errors import UserError, unknown
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
    """A tabular of booktabs, numbers of five digits, aligned on the right."""
    names = list(records[0])
    kinds = "".join("r" if any(_is_number(record[name]) for record in records) else "l" for name in names)
    lines = [[_escaped(_shown(record[name])) for name in names] for record in records]
    body = "".join(f"{' & '.join(cells)} \\\\\n" for cells in lines)
    head = " & ".join(map(_escaped, names))
    top = f"% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
    return f"{top}{body}\\bottomrule\n\\end{{tabular}}\n"


FORMATS: dict[str, Callable[[list[Record]], str] | None] = {
    "csv": as_csv,
    "json": as_json,
    "md": as_markdown,
    "latex": as_latex,
    "parquet": None,  # no text
}


def take(records: list[Record], format: str, output: Path | None) -> None:
    """Writes records to a file, or to the terminal where none is named.

    Args:
        records: At least one, all with the same columns.
        format: Of `FORMATS`.
        output: Appears whole or not at all. Parquet needs one.

    Raises:
        UserError: an unknown format, Parquet without pyarrow.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS, f"the formats are {', '.join(FORMATS)}")
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
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""What these characters are written as: all others mean themselves."""


def _escaped(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text.replace("\n", " "))
