"""Runs a study: the same student with and without the teacher, on paired seeds, and the test split opened once.

`Study.run` does everything from images to report; each step finds what is already there, so that the same call goes on
after any interruption. What a finished study is, is read without torch.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage import files, progress
from tutelage.data import leaks
from tutelage.edge.bytes import Budget
from tutelage.errors import Damaged, UserError
from tutelage.export import exported
from tutelage.methods.finding import is_baseline
from tutelage.run.folder import Run, environment
from tutelage.run.recipe import Recipe, method_words, one_name, readable
from tutelage.run.record import check_study, keep, kept
from tutelage.run.workspace import Workspace
from tutelage.study import SEEDS
from tutelage.study.jobs import ONE, Jobs
from tutelage.study.outcome import Outcome
from tutelage.study.watch import Watch


@dataclass(frozen=True)
class Study:
    """Recipes that differ in method alone, over the same seeds; the baseline is added where it is not among them.

    Args:
        recipes: Their `seed` is not looked at. The same student, data, budget and views.
        seeds: At least 3 for an interval.
        name: Of its folder; empty: from the recipes.
        budget: What a microcontroller has for the student, which is exported for it too; None: for none.
    """

    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...] = SEEDS
    name: str = ""
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if not self.recipes:
            raise UserError("a study without a recipe", "give at least one")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise UserError(f"seeds = {self.seeds}", "give different seeds; 5 are usual, below 3 there is no interval")
        shared = {files.digest(recipe.as_baseline.identity | {"seed": 0}) for recipe in self.recipes}
        if len(shared) > 1:
            raise UserError(
                "the recipes of a study differ in more than the method and its teacher",
                "give them the same data, student, augment, fit and views, or make two studies",
            )
        rows = [dataclasses.replace(row, seed=0) for row in self.rows]
        if twice := [row for row in rows if rows.count(row) > 1]:
            raise UserError(
                f"the same recipe is in the study twice: {method_words(twice[0].method)}",
                "give each method once, or other values to one of them",
            )

    @property
    def rows(self) -> tuple[Recipe, ...]:
        """One recipe a row of the table, baseline first."""
        others = tuple(recipe for recipe in self.recipes if not is_baseline(recipe.method))
        return (self.recipes[0].as_baseline, *others)

    @property
    def folder_name(self) -> str:
        """Readable, and ending in a hash of all recipes and seeds."""
        identity = [recipe.identity | {"seed": 0} for recipe in self.rows] + [list(self.seeds)]
        first = self.rows[-1]
        named = one_name(self.name) or readable(first.data.name, method_words(first.method), first.student.name)
        return f"study-{named}-{files.digest(identity)[:8]}"

    def folder(self, runs: Path) -> Path:
        """Where the study is, or would be: found by its hash, whatever else its folder's name says."""
        path = Path(runs) / self.folder_name
        found = sorted(Path(runs).glob(f"study-*-{self.folder_name[-8:]}/study.json"))
        return path if path.exists() or not found else found[0].parent

    def run(
        self,
        workspace: Workspace | None = None,
        *,
        watch: Watch | None = None,
        force: bool = False,
        jobs: Jobs | int = ONE,
    ) -> Outcome | None:
        """Trains, evaluates, exports and reports; what came of it.

        Several processes may run the same study: they share its runs, and the last of them writes the results. The
        others return None.

        Args:
            workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.
            watch: Of the command that this is a part of; None: it begins now.
            force: Export the student also where it is no better than guessing or worse than its baseline.
            jobs: How many runs at once, and where; 0: as many as fit this machine.

        Raises:
            UserError: anything a user can mend.
        """
        from tutelage.data.test_split import leakage
        from tutelage.study.closing import close
        from tutelage.study.work import train_all

        workspace, watch = workspace or Workspace(), watch or Watch()
        jobs = Jobs(jobs) if isinstance(jobs, int) else jobs
        folder = self.folder(workspace.runs)
        keep(folder, "study", self.to_dict())
        keep(folder, "environment", environment(workspace.engine))
        found = leakage(self.rows[0].data)
        progress.say(leaks.sentence(found))
        with watch.noting_a_stop(folder):
            others = train_all(self.every, workspace, watch, jobs)
            with files.locked(folder / "lock") as alone:
                if alone and not others:
                    close(self, workspace, watch, found, force=force)
                else:
                    at_work = progress.counted(len(others), "run") if others else "the results"
                    progress.say(f"other processes still work on {at_work} of {folder}: the last writes the results")
        watch.note(folder)
        return Outcome(folder) if alone and not others else None

    @property
    def every(self) -> list[Recipe]:
        """All of its runs, in the order in which they are trained: seed by seed, so that pairs are complete early."""
        return [dataclasses.replace(row, seed=seed) for seed in self.seeds for row in self.rows]

    def is_done(self, workspace: Workspace) -> bool:
        """Whether nothing is left to do: runs, results, report and exported student are there as they were written."""
        folder = self.folder(workspace.runs)
        if self.budget is not None or not all((folder / name).is_file() for name in ("report.html", "test.json")):
            return False
        runs = [Run(workspace.folder(recipe)) for row in self.every for recipe in (*row.of_teachers, row)]
        try:
            results = kept(folder, "results")
            kept(folder, "test")
            handed_over = Run(workspace.runs / results["export"]["run"])
            return all(run.done and run.damage() is None for run in dict.fromkeys(runs)) and (
                "onnx" in exported(handed_over) or bool(results["export"].get("doubt"))
            )
        except (Damaged, FileNotFoundError, LookupError):
            return False  # whoever runs the study says what is wrong, and mends it

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        room = {} if self.budget is None else {"budget": list(self.budget)}
        recipes = [recipe.to_dict() for recipe in self.rows]
        return {"name": self.name, "seeds": list(self.seeds), "recipes": recipes} | room

    @staticmethod
    def open(folder: Path) -> "Study":
        """The study of a folder.

        Raises:
            UserError: the folder holds none, or one without a baseline.
        """
        check_study(folder)
        plain = kept(Path(folder), "study")
        recipes = tuple(Recipe.from_dict(recipe) for recipe in plain["recipes"])
        if not recipes or not is_baseline(recipes[0].method):
            raise UserError(
                f"{folder}/study.json was changed: its first recipe is not the baseline",
                "a gain is a gain over the same student without a teacher; tutelage distill writes the file anew",
            )
        budget = Budget(*plain["budget"]) if "budget" in plain else None
        return Study(recipes, tuple(plain["seeds"]), plain["name"], budget)
