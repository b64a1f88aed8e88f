"""A study whose runs are trained: which run is whose, who taught, and which of them is handed over."""

from pathlib import Path
from typing import NamedTuple

from tutelage.data.splits import DataSet
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace

Trained = dict[tuple[int, int], Run]
"""The finished runs of a study, by row and seed."""


class Finished(NamedTuple):
    """A study whose runs are trained and evaluated."""

    rows: tuple[Recipe, ...]
    """Baseline first."""
    seeds: tuple[int, ...]
    trained: Trained
    folder: Path
    """Where the numbers on test are, in the folder of all runs."""
    dataset: DataSet

    @property
    def workspace(self) -> Workspace:
        """Where its runs and the teachers' answers are."""
        return Workspace(self.folder.parent)

    @property
    def taught(self) -> Recipe:
        """The row that says who teaches."""
        return teaches(self.rows)

    @property
    def shown(self) -> tuple[int, Run]:
        """The row and the run to hand over: the seed that is best on val, of the method that is best there.

        Of equal seeds the first. Test chooses nothing.
        """
        methods = range(min(1, len(self.rows) - 1), len(self.rows))
        best = max(methods, key=lambda number: sum(_val_top1(run) for run in self.of_row(number)))
        return best, max(self.of_row(best), key=_val_top1)

    def of_row(self, number: int) -> list[Run]:
        """A row's runs, by seed."""
        return [self.trained[number, seed] for seed in self.seeds]


def teaches(rows: tuple[Recipe, ...]) -> Recipe:
    """The row that says who teaches: the last with a teacher, else the last."""
    return next((row for row in reversed(rows) if row.taught_by), rows[-1])


def _val_top1(run: Run) -> float:
    return run.result("evaluation")["val"]["top1"]
