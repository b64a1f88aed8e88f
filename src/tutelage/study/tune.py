"""A method's numbers for this student and these images: searched on val, and the winner's luck made visible.

Optuna proposes; every trial is an ordinary run of an ordinary recipe, found again by its hash, and all read the same
teacher's answers. A trial first trains a run of a third of its epochs, with a schedule of its own, and goes on to the
whole only where that is no worse than the median; the middle of a schedule says little of its end (docs/log.md), and so
the loop knows nothing of pruning. The best setting is then trained on fresh seeds beside the defaults it came from.
"""

import dataclasses
import logging
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage import files, progress, sealed
from tutelage.errors import Damaged, Diverged, UserError
from tutelage.methods.base import Method
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, method_words
from tutelage.run.record import keep
from tutelage.run.space import space, values_of, with_values
from tutelage.study.results import labels
from tutelage.study.study import SEEDS, Study
from tutelage.training.loop import train

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from optuna import Study as Optuna
    from optuna import Trial

EARLY = 3
"""A trial's first run has so many times fewer epochs than its second."""
UNPRUNED = 4
"""Trials that go on whatever their first run says: there is no median yet."""


@dataclass(frozen=True)
class Search:
    """How much is tried, and on what."""

    trials: int = 20
    """Settings in all, over all processes and calls; the methods' defaults come first."""
    minutes: float = 0.0
    """No trial begins after so many minutes of this process; 0: no limit."""
    epochs: int = 0
    """Of a trial; 0: the recipe's."""
    part: int = 0
    """Training images of a trial; 0: the recipe's."""
    seed: int = 1000
    """Of every trial and of the proposals; none of the closing study's."""
    prune: bool = True
    """End a trial after a run of a third of its epochs where that is worse than the median."""

    def __post_init__(self) -> None:
        if self.trials < 1 or self.minutes < 0:
            raise UserError(
                f"search.trials = {self.trials}, search.minutes = {self.minutes:g}",
                "at least one trial, and 0 minutes or more (0: no limit)",
            )


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
        return f"tune-{self._readable.replace(':', '_')}-{files.digest(identity)[:8]}"

    @property
    def _readable(self) -> str:
        first = self.recipes[0]
        words = [first.data.name, *(method_words(recipe.method) for recipe in self.recipes), first.student.name]
        return self.name or "-".join(Path(word).name for word in words)

    def run(
        self, *, engine: Engine | None = None, runs: Path | str = "runs", data_root: Path | str | None = None
    ) -> Path | None:
        """Makes the trials that are left, then the closing study; the study's folder.

        Several processes may run the same tuning: they share the trials, and the last of them makes the study. The
        others return None.

        Raises:
            UserError: anything a user can mend.
        """
        runs, engine = Path(runs), engine or Engine()
        self.search_trials(engine=engine, runs=runs, data_root=data_root)
        folder = runs / self.folder_name
        told = self.outcome(folder)
        if any(_at_work(folder, trial["number"]) for trial in told["trials"]):
            progress.say(f"other processes still work on trials of {folder}: the last of them makes the study")
            return None
        if told["best"] is None:
            raise UserError(f"no trial of {folder} came to its end", "give it more --search.minutes or --search.trials")
        study = self.closing(told)
        keep(study.folder(runs), "tuning", told | self._rows(study, told))
        return study.run(engine=engine, runs=runs, data_root=data_root)

    def search_trials(self, *, engine: Engine, runs: Path, data_root: Path | str | None = None) -> None:
        """Makes trials until the budget is spent."""
        for own in {own.name: own for recipe in self.recipes for own in recipe.of_teachers}.values():
            train(own, engine=engine, runs=runs, data_root=data_root)
        begun, folder = time.monotonic(), runs / self.folder_name
        keep(folder, "tuning", {"search": dataclasses.asdict(self.search), "study": folder.name})
        while not self.search.minutes or time.monotonic() - begun < 60 * self.search.minutes:
            with self._next(folder) as proposed:
                if proposed is None:
                    return
                self._try(*proposed, engine, runs, data_root)

    def trial_of(self, recipe: Recipe, runs: Path) -> Recipe:
        """The recipe on a trial's budget and seed; the teacher is that of the whole data, also where a part is used."""
        fit = dataclasses.replace(recipe.fit, epochs=self.search.epochs or recipe.fit.epochs)
        data, teachers = recipe.data, list(recipe.taught_by)
        if self.search.part:
            data = dataclasses.replace(data, part=self.search.part)
            for number, teacher in enumerate(teachers):
                own = recipe.training_of(teacher)
                if own is not None:
                    model = dataclasses.replace(teacher.model, weights=str(runs / own.name))
                    teachers[number] = dataclasses.replace(teacher, model=model, tune="none")
        return dataclasses.replace(recipe.with_teachers(*teachers), data=data, fit=fit, seed=self.search.seed)

    def outcome(self, folder: Path) -> dict[str, Any]:
        """What the trials gave, as JSON values.

        Returns:
            `search`; `trials`, each with its `number`, `state` (complete, pruned, running, diverged), `method`,
            `defaults` (whether it is one), `values` by field, `early` and `val` (top-1 on val at the end of its first
            and of its whole run; None where there was none) and `run`; `best`, the number of the best complete one,
            or None.
        """
        from optuna.trial import TrialState

        told: list[dict[str, Any]] = []
        for trial in _optuna(folder, self.search).trials:
            if trial.state in (TrialState.WAITING, TrialState.FAIL) or "run" not in trial.user_attrs:
                continue
            attributes = trial.user_attrs
            state = "diverged" if attributes.get("diverged") else trial.state.name.lower()
            told.append(
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
        best = max((trial for trial in told if trial["val"] is not None), key=lambda trial: trial["val"], default=None)
        return {
            "search": dataclasses.asdict(self.search),
            "trials": told,
            "best": None if best is None else best["number"],
        }

    def closing(self, told: dict[str, Any]) -> Study:
        """The best setting on fresh seeds, beside the defaults it came from, the baseline, and what else is wanted."""
        best = next(trial for trial in told["trials"] if trial["number"] == told["best"])
        start = self._start(best["method"])
        tuned = dataclasses.replace(start, method=with_values(start.method, best["values"]))
        return Study(
            (start, *([] if best["defaults"] else [tuned]), *self.beside), self.seeds, f"{self._readable}-tuned"
        )

    def _rows(self, study: Study, told: dict[str, Any]) -> dict[str, Any]:
        """Which rows of the study are the defaults and the tuned: what the report compares."""
        best = next(trial for trial in told["trials"] if trial["number"] == told["best"])
        names = labels(study.rows)
        return {"defaults_row": names[1], "tuned_row": names[1] if best["defaults"] else names[2]}

    def _start(self, label: str) -> Recipe:
        return next(recipe for recipe in self.recipes if method_words(recipe.method) == label)

    @contextmanager
    def _next(self, folder: Path) -> "Generator[tuple[Optuna, Trial] | None]":
        """The next trial, this process's alone while the block runs; None where the budget is spent."""
        from optuna.trial import TrialState

        with ExitStack() as held:
            # One process at a time decides; what a dead one left is proposed again.
            with files.locked(folder / "lock", wait=True):
                search = _optuna(folder, self.search)
                if not search.trials:
                    for recipe in self.recipes:
                        search.enqueue_trial(self._parameters(recipe.method), {"defaults": True})
                for trial in search.get_trials(states=(TrialState.RUNNING,)):
                    if not _at_work(folder, trial.number):
                        search.tell(trial.number, state=TrialState.FAIL)
                        search.enqueue_trial(trial.params, {"defaults": trial.user_attrs.get("defaults", False)})
                counted = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
                spent = len(search.get_trials(deepcopy=False, states=counted)) >= self.search.trials
                trial = None if spent else search.ask()
                if trial is not None:
                    held.enter_context(files.locked(_lock(folder, trial.number)))
            yield None if trial is None else (search, trial)

    def _parameters(self, method: Method) -> dict[str, Any]:
        """A method's values as Optuna's parameters."""
        label = method_words(method)
        return {"method": label} | {f"{label}.{name}": value for name, value in values_of(method).items()}

    def _propose(self, trial: "Trial", runs: Path) -> Recipe:
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
        recipe = dataclasses.replace(self.trial_of(start, runs), method=with_values(start.method, values))
        trial.set_user_attr("run", recipe.name)
        return recipe

    def _try(self, search: "Optuna", trial: "Trial", engine: Engine, runs: Path, data_root: Path | str | None) -> None:
        """One trial: a short run, and where that promises something the whole one."""
        from optuna.trial import TrialState

        recipe = self._propose(trial, runs)
        named = ", ".join(f"{name} {value:.3g}" for name, value in trial.user_attrs["values"].items())
        what = f"trial {trial.number + 1}: {trial.user_attrs['method']}, {named}"
        early = recipe.fit.epochs // EARLY
        try:
            if self.search.prune and early:
                short = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=early))
                trial.report(_val(train(short, engine=engine, runs=runs, data_root=data_root)), early)
                if trial.should_prune() and not trial.user_attrs.get("defaults"):
                    search.tell(trial, state=TrialState.PRUNED)
                    progress.say(f"{what}: below the median of the short runs, {early} of {recipe.fit.epochs} epochs")
                    return
            val = _val(train(recipe, engine=engine, runs=runs, data_root=data_root))
        except Diverged as error:
            trial.set_user_attr("diverged", error.message)
            search.tell(trial, 0.0)
            progress.say(f"{what}: {error.message}")
            return
        search.tell(trial, val)
        progress.say(f"{what}: val {val:.2%}, best so far {search.best_value:.2%}")


def _optuna(folder: Path, search: Search) -> "Optuna":
    """The search on disk, with proposals that depend on the trials so far and on nothing else.

    Raises:
        UserError: Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise UserError("tuning needs Optuna, which is not installed", "pip install 'tutelage[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = folder / "journal.jsonl"
    try:
        sealed.check_beginning(journal, f"{folder.name}/{journal.name}")
    except Damaged as damaged:
        log.warning("%s; the search begins anew, and finds the runs of its trials done", damaged.message)
        if journal.exists():
            journal.replace(folder / "journal.damaged")
        sealed.remove([journal])
    storage = JournalStorage(JournalFileBackend(str(journal)))
    found = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    sealed.seal_beginning(journal, f"{folder.name}/{journal.name}")
    lived = [state for state in optuna.trial.TrialState if state is not optuna.trial.TrialState.FAIL]
    count = len(found.get_trials(deepcopy=False, states=lived))
    found.sampler = optuna.samplers.TPESampler(seed=search.seed + count, n_startup_trials=max(3, search.trials // 3))
    found.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED) if search.prune else optuna.pruners.NopPruner()
    )
    return found


def _lock(folder: Path, number: int) -> Path:
    return folder / f"trial-{number}.lock"


def _at_work(folder: Path, number: int) -> bool:
    """Whether a process is working on a trial; one that died holds no lock."""
    with files.locked(_lock(folder, number)) as alone:
        return not alone


def _val(run: Run) -> float:
    """Accuracy on val after the last epoch."""
    return run.curve("val", "top1")[-1][1]


def in_words(results: dict[str, Any]) -> list[str]:
    """What a search promised and what of it fresh seeds kept, from the results of the closing study."""
    tuning = results["tuning"]
    by_number = {trial["number"]: trial for trial in tuning["trials"]}
    best = by_number[tuning["best"]]
    states = [trial["state"] for trial in tuning["trials"]]
    said = ", ".join(f"{name} {value:.3g}" for name, value in best["values"].items())
    lines = [
        f"{len(states)} trials at seed {tuning['search']['seed']}, {states.count('pruned')} ended early, "
        f"{states.count('diverged')} diverged; best on val: {best['method']}, {said} (trial {best['number'] + 1})"
    ]
    if best["defaults"]:
        return [*lines, "no trial was better than the method's defaults: there is nothing to adopt"]
    defaults = next(t for t in tuning["trials"] if t["defaults"] and t["method"] == best["method"])
    kept = tuning["fresh"]["val"]
    if defaults["val"] is not None:
        promised = best["val"] - defaults["val"]
        lines.append(f"over the defaults on val: {100 * promised:+.2f} points in the search, whose winner it is; ")
        lines[-1] += f"{100 * kept['mean']:+.2f} on {kept['n']} fresh seeds"
        if kept["low"] is not None:
            lines[-1] += f" (95 % interval {100 * kept['low']:.2f} to {100 * kept['high']:.2f})"
    rows = {row["label"]: row for row in results["rows"]}
    fresh = [seed["val"]["top1"] for seed in rows[tuning["tuned_row"]]["seeds"]]
    mean = sum(fresh) / len(fresh)
    lines.append(f"val of the best trial {best['val']:.2%}, mean of the same setting on fresh seeds {mean:.2%}")
    if tuning["search"]["epochs"] or tuning["search"]["part"]:
        lines[-1] += " (trials had a smaller budget: the two are not the same training)"
    return lines
