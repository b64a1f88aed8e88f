"""Adds `--to`, `--columns` and `--output` to commands whose table can be taken away."""

import argparse
from pathlib import Path

from tutelage.errors import UserError, unknown

FORMATS = ("csv", "json", "md", "latex", "parquet")
"""The keys of `report.takeaway.FORMATS`, which costs more to import than a misspelt flag may."""


def add_taking(parser: argparse.ArgumentParser) -> None:
    """The three flags."""
    parser.add_argument("--to", metavar="FORMAT", help=f"{', '.join(FORMATS)}: the table as records, as measured")
    parser.add_argument(
        "--columns", nargs="+", metavar="NAME", help="of --to, in this order; without it md and latex fit a page"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="of --to; without it the terminal")


def check_taking(chosen: argparse.Namespace) -> None:
    """What is wrong with the three is said before anything is read.

    Raises:
        UserError: a format that is none, a file or columns without one, Parquet without a file.
    """
    if chosen.to and chosen.to not in FORMATS:
        raise unknown("format", chosen.to, FORMATS)
    for flag, value in (("--output", chosen.output), ("--columns", " ".join(chosen.columns or ()))):
        if value and not chosen.to:
            raise UserError(f"{flag} {value} without --to", f"--to says in which format: {', '.join(FORMATS)}")
    if chosen.to == "parquet" and not chosen.output:
        raise UserError("a Parquet file is no text for a terminal", "--output FILE.parquet says where to write it")
