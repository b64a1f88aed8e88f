"""Cross-validates a study's rows: every image but those of test validates once in each division into folds.

For few photos: a validation split of 20 images shows no gain below 30 points. Groups are kept whole, a teacher that is
trained first is trained anew for every fold, and test stays shut.
"""

import dataclasses
import statistics
from dataclasses import dataclass
from pathlib import Path

from tutelage import data, progress
from tutelage.data.turnstile import no_test_split
from tutelage.errors import UserError
from tutelage.measure.statistics import folds_interval
from tutelage.report.results import Folded, FoldedRow
from tutelage.run.recipe import Recipe
from tutelage.run.record import keep
from tutelage.run.workspace import Workspace
from tutelage.study.jobs import ONE, Jobs
from tutelage.study.results import labels
from tutelage.study.watch import Watch
from tutelage.study.work import train_all, train_or_wait
from tutelage.training.predictions import evaluate_run

FILE = "folds"
"""folds.json in the study's folder."""


@dataclass(frozen=True)
class CrossValidation:
    """A study's rows over folds of its images.

    Args:
        rows: Baseline first.
        folds: Into how many parts the images are divided.
        repeats: How often they are divided anew.
    """

    rows: tuple[Recipe, ...]
    folds: int
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.folds < 2 or self.repeats < 1:
            raise UserError(
                f"--folds {self.folds} --repeats {self.repeats}: divided into two folds or more, once or more",
                "--folds 5 is usual, with --repeats 1",
            )
        chosen = self.rows[0].data
        if not chosen.is_path or chosen.fold:
            what = f"data.fold = {chosen.fold} chooses one of them" if chosen.fold else f"data.name is {chosen.name}"
            raise UserError(
                f"--folds goes with photos and with all of their folds, and {what}",
                "leave out --folds, or name a folder",
            )

    @property
    def every(self) -> list[tuple[Recipe, ...]]:
        """The rows of every fold: paired, with the fold's number as their seed."""
        places = [(fold, self.folds, division) for division in range(self.repeats) for fold in range(self.folds)]
        return [
            tuple(
                dataclasses.replace(row, data=dataclasses.replace(row.data, fold=place), seed=number)
                for row in self.rows
            )
            for number, place in enumerate(places)
        ]

    def check(self) -> None:
        """Refuses images of which some fold cannot be carved, before anything is trained.

        Raises:
            UserError: they are too few.
        """
        from tutelage.data import photos

        for rows in self.every[:: self.folds]:
            photos.pieces(photos.sound(rows[0].data), rows[0].data)

    @no_test_split("a cross-validation")
    def run(self, workspace: Workspace, folder: Path, watch: Watch | None = None, jobs: Jobs = ONE) -> Folded:
        """Trains and validates every row on every fold; keeps FOLDER/folds.json, which the study's results then hold.

        What was trained before is found again, and what another process trains is waited for.

        Args:
            workspace: Where runs and data sets are, and what computes.
            folder: The study's.
            watch: Of the command that this is a part of; None: it begins now.
            jobs: How many runs at once, and where.
        """
        watch = watch or Watch()
        progress.say(f"cross-validation: {progress.counted(len(self.every), 'fold')} of {len(self.rows)} rows each")
        train_all([recipe for rows in self.every for recipe in rows], workspace, watch, jobs)
        top1: list[list[float]] = [[] for _ in self.rows]
        sizes = []
        for rows in self.every:
            for of_row, recipe in zip(top1, rows, strict=True):
                run = train_or_wait(recipe, workspace, watch)
                dataset = data.load(recipe.data, workspace.data_root)
                of_row.append(evaluate_run(run, dataset)["val"]["top1"])
            sizes.append(len(dataset.val))
        found = gathered(list(labels(self.rows)), top1, self.folds, self.repeats)
        found["images"] = sum(sizes[: self.folds])
        folder.mkdir(parents=True, exist_ok=True)
        keep(folder, FILE, dict(found))
        return found


def gathered(names: list[str], top1: list[list[float]], folds: int, repeats: int) -> Folded:
    """What the folds say of each row, and of its paired difference to the first.

    Args:
        names: One a row.
        top1: For each row the accuracy on each fold.
        folds: Of one division.
        repeats: Divisions.
    """
    rows: list[FoldedRow] = []
    for name, of_row in zip(names, top1, strict=True):
        differences = [mine - alone for mine, alone in zip(of_row, top1[0], strict=True)]
        rows.append(
            {
                "label": name,
                "top1": of_row,
                "mean": statistics.mean(of_row),
                "interval": _ends(of_row, folds),
                "gain": statistics.mean(differences),
                "gain_interval": _ends(differences, folds),
            }
        )
    return {"folds": folds, "repeats": repeats, "images": 0, "rows": rows}


def _ends(values: list[float], folds: int) -> list[float] | None:
    ends = folds_interval(values, folds)
    return None if ends is None else list(ends)
