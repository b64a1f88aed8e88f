"""Gives what came of a study as an object: its claim in a sentence, its table, its results and where they are."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import escape

from tutelage.report import records, results, text
from tutelage.report.claim import about_leakage, about_teacher, claim
from tutelage.report.records import Record
from tutelage.report.results import Results
from tutelage.report.summary import Summary


@dataclass(frozen=True)
class Outcome(os.PathLike):
    """A finished study. Printed, it is its claim; in a notebook, its claim and table; as a path, its folder."""

    folder: Path
    """Holds report.html and results.json, beside its runs."""

    @cached_property
    def results(self) -> Results:
        """Everything that was measured.

        Raises:
            UserError: the study has no results yet, or another version of tutelage wrote them otherwise.
        """
        return results.read(self.folder)

    @property
    def claim(self) -> str:
        """What the numbers allow to be said, in one sentence."""
        return claim(self.results)

    @property
    def records(self) -> list[Record]:
        """A record a method, as `report.records.of_study` says."""
        return records.of_study(self.results)

    def table(self) -> Any:
        """The records as a pandas DataFrame, one row a method.

        Raises:
            ImportError: pandas is not installed; `records` needs no package.
        """
        import pandas

        return pandas.DataFrame(self.records).set_index("method")

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.claim, about_teacher(self.results), about_leakage(self.results))))

    def _repr_html_(self) -> str:
        summary = Summary.of(self.results)
        heads = ("method", "val top-1", "test top-1", "gain on test (95 % interval, n)")
        lines = []
        for row in summary.rows:
            gain = ""
            if row.gain:
                of_test = row.gain["test"]
                within = ", ".join(
                    filter(None, [text.interval(of_test, summary.places["test"]), f"n = {of_test['n']}"])
                )
                gain = f"{text.points(of_test['mean'], summary.places['test'])} ({within})"
            top1 = [text.spread(row.top1[split], places) for split, places in summary.places.items()]
            lines.append((row.label, *top1, gain))
        cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
        head = "".join(f"<th>{escape(name)}</th>" for name in heads)
        sentences = "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines())
        return f"{sentences}<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
