"""Many runs, one claim: the same student with and without the teacher, on paired seeds, and the test split opened once.

`Study.run` does everything from images to report; each step finds what is already there, so that the same call goes on
after any interruption.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage import data, files, teaching
from tutelage.card import load_student
from tutelage.data.splits import DataSet, open_test, openings
from tutelage.engine import Engine
from tutelage.errors import UserError
from tutelage.evaluate import measure, predict
from tutelage.export import export
from tutelage.methods._base import Method
from tutelage.methods.baseline import Baseline
from tutelage.modelcard import write_model_card
from tutelage.models.count import macs, parameters
from tutelage.predictions import evaluate_run, keep_test
from tutelage.recipe import Recipe, method_words
from tutelage.report import write_report
from tutelage.run import Run, environment, machine
from tutelage.statistics import judged, paired_gain
from tutelage.teacher import mean_logits
from tutelage.training import train

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
    def taught(self) -> Recipe:
        """The row that says who teaches: the last with a teacher, else the last."""
        return next((row for row in reversed(self.rows) if row.taught_by), self.rows[-1])

    @property
    def folder_name(self) -> str:
        """Readable, and ending in a hash of all recipes and seeds."""
        identity = [recipe.identity | {"seed": 0} for recipe in self.rows] + [list(self.seeds)]
        first = self.rows[-1]
        readable = self.name or f"{first.data.name}-{method_words(first.method)}-{Path(first.student.name).name}"
        return f"study-{readable.replace(':', '_')}-{files.digest(identity)[:8]}"

    def run(
        self, *, engine: Engine | None = None, runs: Path | str = "runs", data_root: Path | str | None = None
    ) -> Path:
        """Trains, evaluates, exports and reports; the study's folder.

        Raises:
            UserError: anything a user can mend.
        """
        runs, engine = Path(runs), engine or Engine()
        folder = runs / self.folder_name
        with files.locked(folder / "lock") as alone:
            if not alone:
                raise UserError(f"another process works on {folder}", "wait for it: what is done is found again")
            self._run(folder, engine, runs, data_root)
        return folder

    def _run(self, folder: Path, engine: Engine, runs: Path, data_root: Path | str | None) -> None:
        files.write_json(folder / "study.json", self.to_dict())
        files.write_json(folder / "environment.json", environment(engine))
        begun = time.monotonic()
        trained = self._train(engine, runs, data_root)
        dataset = data.load(self.rows[0].data, data_root)
        for run in trained.values():
            evaluate_run(run, dataset, runs)
        if not (folder / "test.json").exists():
            self._open_test(folder, trained, dataset, runs)
        shown = self._best(trained)
        if "onnx" not in (shown.result("export") or {}):
            export(shown, dataset)
        write_model_card(shown, test=files.read_json(folder / "test.json")["runs"][shown.path.name])
        wall = files.read_json(folder / "cost.json")["seconds"] if (folder / "cost.json").exists() else 0.0
        files.write_json(folder / "cost.json", {"seconds": round(wall + time.monotonic() - begun, 1)})
        files.write_json(folder / "results.json", self.results(folder, trained, dataset, runs))
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

    def _train(self, engine: Engine, runs: Path, data_root: Path | str | None) -> dict[tuple[int, int], Run]:
        trained = {}
        # Seed by seed, so that the first pairs are complete early.
        for seed in self.seeds:
            for number, row in enumerate(self.rows):
                recipe = dataclasses.replace(row, seed=seed)
                trained[number, seed] = train(recipe, engine=engine, runs=runs, data_root=data_root)
        return trained

    def _best(self, trained: dict[tuple[int, int], Run]) -> Run:
        """The run to hand over: the first seed of the method that is best on val."""

        def on_val(number: int) -> float:
            return sum(trained[number, seed].result("evaluation")["val"]["top1"] for seed in self.seeds)

        return trained[max(range(min(1, len(self.rows) - 1), len(self.rows)), key=on_val), self.seeds[0]]

    def _open_test(self, folder: Path, trained: dict[tuple[int, int], Run], dataset: DataSet, runs: Path) -> None:
        """All test numbers of the study in one opening."""
        test = open_test(dataset, runs / "test_openings.jsonl", run=folder.name, reason="final evaluation of a study")
        taught = self.taught
        told: dict[str, Any] = {"teacher": None, "runs": {}}
        logits = {run.path.name: predict(load_student(run, dataset), test, what="test") for run in trained.values()}
        teacher_logits = None
        if taught.taught_by:
            members = (teaching.load_member(taught, spec, dataset, runs) for spec in taught.taught_by)
            teacher_logits = mean_logits([predict(m.network, test, what="teacher on test") for m in members], 1.0)
            told["teacher"] = measure(teacher_logits, test.labels)
        told["runs"] = {name: measure(of_run, test.labels, teacher_logits) for name, of_run in logits.items()}
        keep_test(folder, test.labels, logits if teacher_logits is None else logits | {"teacher": teacher_logits})
        files.write_json(folder / "test.json", told)

    def results(
        self, folder: Path, trained: dict[tuple[int, int], Run], dataset: DataSet, runs: Path
    ) -> dict[str, Any]:
        """Everything the report shows, as JSON values."""
        test = files.read_json(folder / "test.json")
        taught = self.taught
        rows: list[dict[str, Any]] = []
        for number, (row, label) in enumerate(zip(self.rows, labels(self.rows), strict=True)):
            of_row = [trained[number, seed] for seed in self.seeds]
            rows.append(
                {
                    "label": label,
                    "method": row.to_dict()["method"],
                    **{size: of_row[0].result("card")[size] for size in ("parameters", "macs")},
                    "seeds": [_seed_result(run, test["runs"][run.path.name]) for run in of_row],
                }
            )
        for split in ("val", "test"):
            gains = judged([_paired(row, rows[0], split) for row in rows[1:]])
            for row, gain in zip(rows[1:], gains, strict=True):
                row.setdefault("gain", {})[split] = gain
        card = trained[0, self.seeds[0]].result("card")
        shown = self._best(trained)
        ledger = openings(runs / "test_openings.jsonl")
        if (folder / "tuning.json").exists():
            tuning = files.read_json(folder / "tuning.json")
            by_label = {row["label"]: row for row in rows}
            defaults, tuned = by_label[tuning["defaults_row"]], by_label[tuning["tuned_row"]]
            tuning["fresh"] = {split: _paired(tuned, defaults, split) for split in ("val", "test")}
        else:
            tuning = None
        return {
            "study": folder.name,
            "data": {"name": dataset.name, "classes": list(dataset.classes), "train": len(dataset.train)}
            | {"val": len(dataset.val), "unlabeled": data.unlabeled_images(taught.data)},
            "student": {key: card[key] for key in ("parameters", "macs")} | {"name": taught.student.name},
            "teacher": self._teacher_result(trained, dataset, runs, test["teacher"]),
            "rows": rows,
            "tuning": tuning,
            "cost": self._cost(folder, trained),
            "export": {"run": shown.path.name, "onnx": shown.result("export")["onnx"]},
            "test_openings": {
                "study": [opening for opening in ledger if opening["run"] == folder.name],
                "all": len(ledger),
            },
            "machine": machine(),
            "environment": files.read_json(folder / "environment.json"),
            "recipes": [row.to_dict() for row in self.rows],
            "seeds": list(self.seeds),
        }

    def _teacher_result(
        self, trained: dict[tuple[int, int], Run], dataset: DataSet, runs: Path, test: Any
    ) -> dict[str, Any] | None:
        taught = self.taught
        if not taught.taught_by:
            return None
        members = [teaching.load_member(taught, spec, dataset, runs) for spec in taught.taught_by]
        return {
            "name": " + ".join(member.model.name for member in members),
            "parameters": sum(parameters(member.network) for member in members),
            "macs": sum(macs(member.network, (1, *dataset.train.shape)) for member in members),
            "val": trained[self.rows.index(taught), self.seeds[0]].result("evaluation")["teacher"],
            "val_held_out": all(teaching.held_out(taught, spec) for spec in taught.taught_by),
            "test": test,
        }

    def _cost(self, folder: Path, trained: dict[tuple[int, int], Run]) -> dict[str, Any]:
        costs = [run.result("cost") for run in trained.values()]
        of_teachers = [Run.of(own, folder.parent).result("cost") for own in self.taught.of_teachers]
        return {
            "wall_seconds": files.read_json(folder / "cost.json")["seconds"],
            "training_seconds": round(sum(cost["seconds"] for cost in costs), 1),
            "teacher_training_seconds": sum(cost["seconds"] for cost in of_teachers),
            "teacher_passes_paid": sum(cost["teacher_passes_paid"] for cost in costs),
            "teacher_passes_saved": sum(cost["teacher_passes_saved"] for cost in costs),
        }


def _seed_result(run: Run, test: dict[str, Any]) -> dict[str, Any]:
    recipe = run.recipe
    steps_per_epoch = max(1, run.curve("val", "top1")[-1][0] // recipe.fit.epochs)
    return {
        "run": run.path.name,
        "seed": recipe.seed,
        "val": run.result("evaluation")["val"],
        "test": test,
        "best_val": run.result("cost")["best_val"],
        "seconds": run.result("cost")["seconds"],
        "images_per_second": run.result("cost")["images_per_second"],
        "curves": {
            "val_top1": [[step / steps_per_epoch, value] for step, value in run.curve("val", "top1")],
            "train_loss": [[step / steps_per_epoch, value] for step, value in run.curve("train", "loss")],
        },
    }


def _paired(row: dict[str, Any], baseline: dict[str, Any], split: str) -> dict[str, Any]:
    mine, alone = ([seed[split]["top1"] for seed in of_row["seeds"]] for of_row in (row, baseline))
    return paired_gain(mine, alone)


def labels(rows: tuple[Recipe, ...]) -> list[str]:
    """A name a row: the method's; of a method that occurs more than once, with what is not at its default."""
    words = [method_words(row.method) for row in rows]
    return [
        f"{word} ({', '.join(changed)})" if words.count(word) > 1 and (changed := _changed(row.method)) else word
        for word, row in zip(words, rows, strict=True)
    ]


def _changed(method: Method, where: str = "") -> list[str]:
    told = []
    for f in dataclasses.fields(method):
        value = getattr(method, f.name)
        if isinstance(value, Method):
            told += _changed(value, f"{method_words(value)}.")
        elif value != f.default:
            told.append(f"{where}{f.name} {value:.3g}" if isinstance(value, float) else f"{where}{f.name} {value}")
    return told
