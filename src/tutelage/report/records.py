"""Turns a study's results into records to take away: a row a method, every number in a column of its own."""

import statistics
from collections.abc import Iterable

from tutelage.measure.measures import MEASURES, Measured, taken
from tutelage.measure.statistics import Judged
from tutelage.report.results import Results, Row, Split
from tutelage.report.summary import SPLITS

Record = dict[str, str | int | float | None]
"""Column by column; None where there is no such number. Shares are in [0, 1], as they were measured."""


def of_study(results: Results) -> list[Record]:
    """A record a row of the study, the teacher first where there is one.

    Columns: `method`, `parameters`, `multiply_adds`, `n`; for every measure on a split `test_top1` (the mean over the
    seeds) and `test_top1_sd` (their standard deviation, n - 1 in the denominator); `gain_test`, `gain_test_low`,
    `gain_test_high`, `gain_test_p`, `gain_test_p_holm`, `gain_test_n`, `gain_test_verdict`: the paired difference to
    the baseline in top-1.
    """
    return filled([*_teacher(results), *map(_row, results["rows"])])


def filled(records: Iterable[Record]) -> list[Record]:
    """The same records with the same columns; those that nobody has a number for are left out."""
    records = list(records)
    columns = dict.fromkeys(name for record in records for name in record)
    used = [name for name in columns if any(record.get(name) is not None for record in records)]
    return [{name: record.get(name) for name in used} for record in records]


def spread(name: str, values: Iterable[float | None]) -> Record:
    """A column of the mean over the seeds and one of their standard deviation.

    Neither has a number where a seed lacks one: a mean over other seeds is not to be compared.
    """
    known = list(values)
    present = [value for value in known if value is not None]
    if not present or len(present) < len(known):
        return {name: None, f"{name}_sd": None}
    return {name: statistics.mean(present), f"{name}_sd": statistics.stdev(present) if len(present) > 1 else None}


def gained(name: str, gain: Judged) -> Record:
    """The columns of a paired difference."""
    return {
        name: gain["mean"],
        f"{name}_low": gain["low"],
        f"{name}_high": gain["high"],
        f"{name}_p": gain["p"],
        f"{name}_p_holm": gain["p_adjusted"],
        f"{name}_n": gain["n"],
        f"{name}_verdict": gain["verdict"],
    }


def _row(row: Row) -> Record:
    record: Record = {
        "method": row["label"],
        "parameters": row["parameters"],
        "multiply_adds": row["macs"],
        "n": len(row["seeds"]),
    }
    for split in SPLITS:
        for name in MEASURES:
            record |= spread(f"{split}_{name}", [taken(seed[split]).get(name) for seed in row["seeds"]])
        if "gain" in row:
            record |= gained(f"gain_{split}", row["gain"][split])
    return record


def _teacher(results: Results) -> list[Record]:
    teacher = results["teacher"]
    if teacher is None:
        return []
    record: Record = {
        "method": f"teacher {teacher['name']}",
        "parameters": teacher["parameters"],
        "multiply_adds": teacher["macs"],
        "n": 1,
    }
    measured: dict[Split, Measured | None] = {"val": teacher["val"], "test": teacher["test"]}
    for split, of_split in measured.items():
        known = taken(of_split) if of_split else {}
        record |= {f"{split}_{name}": known.get(name) for name in MEASURES}
    return [record]
