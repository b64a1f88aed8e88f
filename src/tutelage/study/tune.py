"""Searches a method's numbers for this student and these images on val, and shows how much of the winner was luck.

Optuna proposes; every trial is an ordinary run of an ordinary recipe, found again by its hash, and all read the same
teacher's answers. A trial first trains a run of a third of its epochs, with a schedule of its own, and goes on to the
whole only where that is no worse than the median; the middle of a schedule says little of its end (docs/log.md), and so
the loop knows nothing of pruning. The best setting is then trained on fresh seeds beside the defaults it came from.
"""

import dataclasses
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from tutelage import files, progress
from tutelage.data.turnstile import no_test_split
from tutelage.errors import Diverged, UserError
from tutelage.methods.base import Method
from tutelage.report.results import TriedOut
from tutelage.report.search import tried
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, method_words, one_name, readable
from tutelage.run.record import keep
from tutelage.run.space import space, values_of, with_values
from tutelage.run.workspace import Workspace
from tutelage.shares import percent
from tutelage.study import trials
from tutelage.study.jobs import ONE, Jobs
from tutelage.study.outcome import Outcome
from tutelage.study.results import labels
from tutelage.study.search import Search, at_work, opened, trial_lock
from tutelage.study.study import SEEDS, Study
from tutelage.study.watch import Watch
from tutelage.study.work import settled, train_or_wait, train_teachers

if TYPE_CHECKING:
    from optuna import Study as Optuna
    from optuna import Trial

EARLY = 3
"""A trial's first run has so many times fewer epochs than its second."""


class Searched(TypedDict):
    """What the trials of a search gave."""

    search: dict[str, Any]
    trials: list[TriedOut]
    best: int | None
    """The number of the best complete one; None where there is none yet."""


@dataclass(frozen=True)
class Tuning:
    """A search over the fields of one or more methods, and the study that it ends with.

    Args:
        recipes: One a method, at the values that it begins with; they differ in method alone.
        search: How much is tried.
        beside: Further recipes of the closing study.
        seeds: Of the closing study.
        name: Of the folders; empty: from the recipes.
    """

    recipes: tuple[Recipe, ...]
    search: Search = dataclasses.field(default_factory=Search)
    beside: tuple[Recipe, ...] = ()
    seeds: tuple[int, ...] = SEEDS
    name: str = ""

    def __post_init__(self) -> None:
        Study((*self.recipes, *self.beside), self.seeds)
        for recipe in self.recipes:
            if not space(recipe.method):
                raise UserError(
                    f"{method_words(recipe.method)} has no number to tune", "tutelage explain METHOD shows its fields"
                )
        if self.search.seed in self.seeds:
            raise UserError(
                f"search.seed = {self.search.seed} is also a seed of the closing study",
                "the study is there to show the winner without its luck: choose another",
            )

    @property
    def folder_name(self) -> str:
        """Readable, and ending in a hash of what is searched; not of how many trials, so that more can be added."""
        settings = dataclasses.asdict(self.search) | {"trials": 0, "minutes": 0}
        identity = [recipe.identity | {"seed": 0} for recipe in self.recipes] + [settings]
        return f"tune-{self._readable}-{files.digest(identity)[:8]}"

    @property
    def _readable(self) -> str:
        first, methods = self.recipes[0], (method_words(recipe.method) for recipe in self.recipes)
        return one_name(self.name) or readable(first.data.name, *methods, first.student.name)

    def run(
        self,
        workspace: Workspace | None = None,
        *,
        watch: Watch | None = None,
        force: bool = False,
        jobs: Jobs = ONE,
    ) -> Outcome | None:
        """Makes the trials that are left, then the closing study; what came of that.

        Several processes may run the same tuning: they share the trials, and the last of them makes the study. The
        others return None. So does a search that nothing but defaults has won: there is nothing to try again, and the
        test split stays shut.

        Args:
            workspace: Where runs and data sets are, and what computes; None: the folder `runs` here.
            watch: Of the command that this is a part of; None: it begins now.
            force: As for a study.
            jobs: How many runs at once; proposals then know less of each other than one after the other.

        Raises:
            UserError: anything a user can mend.
        """
        workspace, watch = workspace or Workspace(), watch or Watch()
        folder = workspace.runs / self.folder_name
        with watch.noting_a_stop(folder):
            train_teachers(self.recipes, workspace, watch)
            self.search_trials(workspace, jobs)
        outcome = self.outcome(folder)
        if any(at_work(folder, trial["number"]) for trial in outcome["trials"]):
            progress.say(f"other processes still work on trials of {folder}: the last of them makes the study")
            watch.note(folder)
            return None
        if outcome["best"] is None:
            raise UserError(f"no trial of {folder} came to its end", "give it more --search.minutes or --search.trials")
        if next(trial for trial in outcome["trials"] if trial["number"] == outcome["best"])["defaults"]:
            for line in (*tried(outcome), "the test split stays shut; tutelage distill compares with the baseline"):
                progress.say(line)
            watch.note(folder)
            return None
        study = self.closing(outcome)
        written = {**outcome, **self._rows(study), "folder": folder.name}
        keep(study.folder(workspace.runs), "tuning", written)
        return study.run(workspace, watch=watch, force=force, jobs=jobs)

    def search_trials(self, workspace: Workspace, jobs: Jobs = ONE) -> None:
        """Makes trials until the budget is spent, in several processes where that is wanted."""
        folder, trial = workspace.runs / self.folder_name, self.trial_of(self.recipes[0], workspace)
        keep(folder, "tuning", {"search": dataclasses.asdict(self.search), "study": folder.name})
        one_by_one, workspace = settled([trial] * self.search.trials, workspace, jobs)
        if one_by_one:
            self.make_trials(workspace)
            return
        trials.in_processes(self, workspace, jobs)

    @no_test_split("a search")
    def make_trials(self, workspace: Workspace) -> None:
        """Makes trials in this process until the budget is spent."""
        train_teachers(self.recipes, workspace, Watch())
        begun, folder = time.monotonic(), workspace.runs / self.folder_name
        while not self.search.late(begun):
            with self._next(folder) as proposed:
                if proposed is None:
                    return
                self._try(*proposed, workspace)

    def trial_of(self, recipe: Recipe, workspace: Workspace) -> Recipe:
        """The recipe on a trial's budget and seed; the teacher is that of the whole data, also where a part is used."""
        fit = dataclasses.replace(recipe.fit, epochs=self.search.epochs or recipe.fit.epochs)
        data, teachers = recipe.data, list(recipe.teachers or filter(None, [recipe.teacher]))
        if self.search.part:
            data = dataclasses.replace(data, part=self.search.part)
            for number, teacher in enumerate(teachers):
                own = recipe.training_of(teacher)
                if own is not None and not teacher.folds:  # whose parts are those of the images at hand
                    model = dataclasses.replace(teacher.model, weights=str(workspace.folder(own)))
                    teachers[number] = dataclasses.replace(teacher, model=model, tune="none")
        return dataclasses.replace(recipe.with_teachers(*teachers), data=data, fit=fit, seed=self.search.seed)

    def outcome(self, folder: Path) -> Searched:
        """What the trials gave."""
        from optuna.trial import TrialState

        trials: list[TriedOut] = []
        for trial in opened(folder, self.search).trials:
            if trial.state in (TrialState.WAITING, TrialState.FAIL) or "run" not in trial.user_attrs:
                continue
            attributes = trial.user_attrs
            state = "diverged" if attributes.get("diverged") else trial.state.name.lower()
            trials.append(
                {
                    "number": trial.number,
                    "state": state,
                    "method": attributes["method"],
                    "defaults": bool(attributes.get("defaults")),
                    "values": attributes["values"],
                    "early": next(iter(trial.intermediate_values.values()), None),
                    "val": trial.value if state == "complete" else None,
                    "run": attributes["run"],
                }
            )
        # Of equals the first: the defaults, where they are as good.
        complete = {trial["number"]: trial["val"] for trial in trials if trial["val"] is not None}
        best = max(complete, key=complete.__getitem__, default=None)
        return {"search": dataclasses.asdict(self.search), "trials": trials, "best": best}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for another process."""
        recipes = {name: [recipe.to_dict() for recipe in getattr(self, name)] for name in ("recipes", "beside")}
        return {**recipes, "search": dataclasses.asdict(self.search), "seeds": list(self.seeds), "name": self.name}

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> "Tuning":
        """The search that `to_dict` said."""
        recipes, beside = (tuple(map(Recipe.from_dict, plain[name])) for name in ("recipes", "beside"))
        return Tuning(recipes, Search(**plain["search"]), beside, tuple(plain["seeds"]), plain["name"])

    def closing(self, outcome: Searched) -> Study:
        """The best setting on fresh seeds, beside the defaults it came from, the baseline, and what else is wanted."""
        best = next(trial for trial in outcome["trials"] if trial["number"] == outcome["best"])
        start = self._start(best["method"])
        tuned = dataclasses.replace(start, method=with_values(start.method, best["values"]))
        return Study((start, tuned, *self.beside), self.seeds, f"{self._readable}-tuned")

    def _rows(self, study: Study) -> dict[str, str]:
        """Which rows of the study are the defaults and the tuned: what the report compares."""
        names = labels(study.rows)
        return {"defaults_row": names[1], "tuned_row": names[2]}

    def _start(self, label: str) -> Recipe:
        return next(recipe for recipe in self.recipes if method_words(recipe.method) == label)

    @contextmanager
    def _next(self, folder: Path) -> "Generator[tuple[Optuna, Trial] | None]":
        """The next trial, this process's alone while the block runs; None where the budget is spent."""
        from optuna.trial import TrialState

        with ExitStack() as locks:
            # One process at a time decides; what a dead one left is proposed again.
            with files.locked(folder / "lock", wait=True):
                search = opened(folder, self.search)
                if not search.trials:
                    for recipe in self.recipes:
                        search.enqueue_trial(self._parameters(recipe.method), {"defaults": True})
                for trial in search.get_trials(states=(TrialState.RUNNING,)):
                    if not at_work(folder, trial.number):
                        search.tell(trial.number, state=TrialState.FAIL)
                        search.enqueue_trial(trial.params, {"defaults": trial.user_attrs.get("defaults", False)})
                trial = None if self.search.spent(search) else search.ask()
                if trial is not None:
                    locks.enter_context(files.locked(trial_lock(folder, trial.number)))
            yield None if trial is None else (search, trial)

    def _parameters(self, method: Method) -> dict[str, Any]:
        """A method's values as Optuna's parameters."""
        label = method_words(method)
        return {"method": label} | {f"{label}.{name}": value for name, value in values_of(method).items()}

    def _propose(self, trial: "Trial", workspace: Workspace) -> Recipe:
        """The recipe that a trial's parameters say."""
        label = trial.suggest_categorical("method", [method_words(recipe.method) for recipe in self.recipes])
        start = self._start(label)
        values = {}
        for name, allowed in space(start.method).items():
            low, high = allowed.search or (0, 0)
            value = trial.suggest_float(f"{label}.{name}", low, high, log=allowed.log)
            # Three digits are more than val can tell apart, and a person can type them again.
            values[name] = value if trial.user_attrs.get("defaults") else float(f"{value:.3g}")
        trial.set_user_attr("method", label)
        trial.set_user_attr("values", values)
        recipe = dataclasses.replace(self.trial_of(start, workspace), method=with_values(start.method, values))
        trial.set_user_attr("run", recipe.name)
        return recipe

    def _try(self, search: "Optuna", trial: "Trial", workspace: Workspace) -> None:
        """One trial: a short run, and where that promises something the whole one."""
        from optuna.trial import TrialState

        recipe = self._propose(trial, workspace)
        named = ", ".join(f"{name} {value:.3g}" for name, value in trial.user_attrs["values"].items())
        what = f"trial {trial.number + 1}: {trial.user_attrs['method']}, {named}"
        early = recipe.fit.epochs // EARLY
        try:
            if self.search.prune and early:
                short = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=early))
                trial.report(_val(train_or_wait(short, workspace, Watch())), early)
                if trial.should_prune() and not trial.user_attrs.get("defaults"):
                    search.tell(trial, state=TrialState.PRUNED)
                    progress.say(f"{what}: below the median of the short runs, {early} of {recipe.fit.epochs} epochs")
                    return
            val = _val(train_or_wait(recipe, workspace, Watch()))
        except Diverged as error:
            trial.set_user_attr("diverged", error.message)
            search.tell(trial, 0.0)
            progress.say(f"{what}: {error.message}")
            return
        search.tell(trial, val)
        progress.say(f"{what}: val {percent(val, 2)}, best so far {percent(search.best_value, 2)}")


def _val(run: Run) -> float:
    """Accuracy on val after the last epoch."""
    return run.curve("val", "top1")[-1][1]
