"""Runs a study: the same student with and without the teacher, on paired seeds, and the test split opened once.

`Study.run` does everything from images to report; each step finds what is already there, so that the same call goes on
after any interruption.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage import data, files, progress
from tutelage.data import leaks
from tutelage.data.splits import DataSet
from tutelage.data.test_split import leakage, open_test
from tutelage.errors import UserError
from tutelage.export import export
from tutelage.export.modelcard import LEAKAGE, write_model_card
from tutelage.measure.classifier import measure, predict
from tutelage.methods.baseline import Baseline
from tutelage.report import write_report
from tutelage.report.results import RESULTS_FILE
from tutelage.run.folder import environment
from tutelage.run.recipe import Recipe, method_words, one_name, readable
from tutelage.run.workspace import Workspace
from tutelage.study.finished import Finished, Trained, teaches
from tutelage.study.results import gathered
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

    def run(self, workspace: Workspace | None = None) -> Path:
        """Trains, evaluates, exports and reports; the study's folder.

        Args:
            workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.

        Raises:
            UserError: anything a user can mend.
        """
        workspace = workspace or Workspace()
        folder = workspace.runs / self.folder_name
        with files.locked(folder / "lock") as alone:
            if not alone:
                raise UserError(f"another process works on {folder}", "wait for it: what is done is found again")
            self._run(folder, workspace)
        return folder

    def _run(self, folder: Path, workspace: Workspace) -> None:
        files.write_json(folder / "study.json", self.to_dict())
        files.write_json(folder / "environment.json", environment(workspace.engine))
        begun = time.monotonic()
        found = leakage(self.rows[0].data)
        progress.say(leaks.sentence(found))
        trained = self._train(workspace)
        dataset = data.load(self.rows[0].data, workspace.data_root)
        for run in trained.values():
            evaluate_run(run, dataset)
        if not (folder / "test.json").exists():
            self._open_test(folder, trained, dataset, workspace)
        study = Finished(self.rows, self.seeds, trained, folder, dataset)
        number, shown = study.shown
        if "onnx" not in (shown.result("export") or {}):
            export(shown, dataset)
        wall = files.read_json(folder / "cost.json")["seconds"] if (folder / "cost.json").exists() else 0.0
        files.write_json(folder / "cost.json", {"seconds": round(wall + time.monotonic() - begun, 1)})
        results = gathered(study) | {"leakage": found}
        files.write_json(folder / RESULTS_FILE, results)
        files.write_json(shown.path / f"{LEAKAGE}.json", {"sentence": leaks.sentence(found), "found": found})
        write_model_card(shown, test=results["rows"][number]["seeds"][0]["test"])
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
        # Seed by seed, so that the first pairs are complete early.
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
