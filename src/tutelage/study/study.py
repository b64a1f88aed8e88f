"""Runs a study: the same student with and without the teacher, on paired seeds, and the test split opened once.

`Study.run` does everything from images to report; each step finds what is already there, so that the same call goes on
after any interruption.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage import data, files
from tutelage.data.splits import DataSet
from tutelage.data.test_split import open_test
from tutelage.errors import UserError
from tutelage.export import export
from tutelage.export.doubt import doubt
from tutelage.measure.classifier import measure, predict
from tutelage.methods.baseline import Baseline
from tutelage.report import write_report
from tutelage.report.results import RESULTS_FILE
from tutelage.run.folder import environment
from tutelage.run.recipe import Recipe, method_words, one_name, readable
from tutelage.run.workspace import Workspace
from tutelage.study import handed
from tutelage.study.finished import Finished, Trained, teaches
from tutelage.study.results import gathered
from tutelage.study.watch import Watch
from tutelage.teacher.answer import mean_logits
from tutelage.teacher.members import load_member
from tutelage.training.loop import train
from tutelage.training.predictions import evaluate_run, keep_test
from tutelage.training.student import load_student

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Study:
    """Recipes that differ in method alone, over the same seeds; the baseline is added where it is not among them.

    Args:
        recipes: Their `seed` is not looked at. The same student, data, budget and views.
        seeds: At least 3 for an interval.
        name: Of its folder; empty: from the recipes.
    """

    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...] = SEEDS
    name: str = ""

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
        others = tuple(recipe for recipe in self.recipes if not isinstance(recipe.method, Baseline))
        return (self.recipes[0].as_baseline, *others)

    @property
    def folder_name(self) -> str:
        """Readable, and ending in a hash of all recipes and seeds."""
        identity = [recipe.identity | {"seed": 0} for recipe in self.rows] + [list(self.seeds)]
        first = self.rows[-1]
        named = one_name(self.name) or readable(first.data.name, method_words(first.method), first.student.name)
        return f"study-{named}-{files.digest(identity)[:8]}"

    def run(self, workspace: Workspace | None = None, *, watch: Watch | None = None, force: bool = False) -> Path:
        """Trains, evaluates, exports and reports; the study's folder.

        Args:
            workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.
            watch: Of the command that this is a part of; None: it begins now.
            force: Export the student also where it is no better than guessing or worse than its baseline.

        Raises:
            UserError: anything a user can mend.
        """
        workspace, watch = workspace or Workspace(), watch or Watch()
        folder = workspace.runs / self.folder_name
        watch.look(self.every, workspace.runs)
        with files.locked(folder / "lock") as alone:
            if not alone:
                raise UserError(f"another process works on {folder}", "wait for it: what is done is found again")
            with watch.noting_a_stop(folder):
                self._run(folder, workspace, watch, force=force)
            watch.note(folder)
        return folder

    @property
    def every(self) -> list[Recipe]:
        """All of its runs, in the order in which they are trained: seed by seed, so that pairs are complete early."""
        return [dataclasses.replace(row, seed=seed) for seed in self.seeds for row in self.rows]

    def _run(self, folder: Path, workspace: Workspace, watch: Watch, *, force: bool) -> None:
        files.write_json(folder / "study.json", self.to_dict())
        files.write_json(folder / "environment.json", environment(workspace.engine))
        trained = self._train(workspace)
        dataset = data.load(self.rows[0].data, workspace.data_root)
        for run in trained.values():
            evaluate_run(run, dataset)
        if not (folder / "test.json").exists():
            self._open_test(folder, trained, dataset, workspace)
        study = Finished(self.rows, self.seeds, trained, folder, dataset)
        shown = study.shown[1]
        if "onnx" not in (shown.result("export") or {}) and (force or not doubt(shown, dataset)):
            export(shown, dataset, force=force)
        results = gathered(study, watch)
        files.write_json(folder / RESULTS_FILE, results)
        handed.keep(study, results)
        write_report(folder)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"name": self.name, "seeds": list(self.seeds), "recipes": [recipe.to_dict() for recipe in self.rows]}

    @staticmethod
    def open(folder: Path) -> "Study":
        """The study of a folder.

        Raises:
            UserError: the folder holds none, or one without a baseline.
        """
        if not (Path(folder) / "study.json").is_file():
            raise UserError(f"{folder} holds no study (no study.json)", "tutelage distill RECIPE makes one")
        plain = files.read_json(Path(folder) / "study.json")
        recipes = tuple(Recipe.from_dict(recipe) for recipe in plain["recipes"])
        if not recipes or not isinstance(recipes[0].method, Baseline):
            raise UserError(
                f"{folder}/study.json was changed: its first recipe is not the baseline",
                "a gain is a gain over the same student without a teacher; tutelage distill writes the file anew",
            )
        return Study(recipes, tuple(plain["seeds"]), plain["name"])

    def _train(self, workspace: Workspace) -> Trained:
        trained = {}
        for seed in self.seeds:
            for number, row in enumerate(self.rows):
                recipe = dataclasses.replace(row, seed=seed)
                trained[number, seed] = train(recipe, workspace)
        return trained

    def _open_test(self, folder: Path, trained: Trained, dataset: DataSet, workspace: Workspace) -> None:
        """All test numbers of the study in one opening."""
        test = open_test(dataset, workspace.test_openings, run=folder.name, reason="final evaluation of a study")
        taught = teaches(self.rows)
        logits = {run.path.name: predict(load_student(run, dataset), test, what="test") for run in trained.values()}
        teacher, teacher_logits = None, None
        if taught.taught_by:
            members = (load_member(taught, spec, dataset, workspace) for spec in taught.taught_by)
            teacher_logits = mean_logits([predict(m.network, test, what="teacher on test") for m in members], 1.0)
            teacher = measure(teacher_logits, test.labels)
        measured = {name: measure(of_run, test.labels, teacher_logits) for name, of_run in logits.items()}
        keep_test(folder, test.labels, logits if teacher_logits is None else logits | {"teacher": teacher_logits})
        files.write_json(folder / "test.json", {"teacher": teacher, "runs": measured})
