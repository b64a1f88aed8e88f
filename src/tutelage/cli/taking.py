"""Adds `--to` and `--output` to commands whose table can be taken away."""

import argparse
from pathlib import Path

from tutelage.errors import UserError

FORMATS = ("csv", "json", "md", "latex", "parquet")
"""The keys of `report.takeaway.FORMATS`, which costs more to import than a misspelt flag may."""


def add_taking(parser: argparse.ArgumentParser) -> None:
    """The two flags."""
    parser.add_argument("--to", choices=FORMATS, help="the table as records, numbers as they were measured")
    parser.add_argument("--output", type=Path, metavar="FILE", help="of --to; without it the terminal")


def check_taking(chosen: argparse.Namespace) -> None:
    """What is wrong with the two is said before anything is read.

    Raises:
        UserError: a file without a format, Parquet without a file.
    """
    if chosen.output and not chosen.to:
        raise UserError(f"--output {chosen.output} without --to", f"--to says in which format: {', '.join(FORMATS)}")
    if chosen.to == "parquet" and not chosen.output:
        raise UserError("a Parquet file is no text for a terminal", "--output FILE.parquet says where to write it")
