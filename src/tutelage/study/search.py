"""Keeps a search for a method's numbers on disk: how much is tried, Optuna's journal, and who works on which trial."""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage import files, sealed
from tutelage.errors import Damaged, UserError

if TYPE_CHECKING:
    from optuna import Study as Optuna

log = logging.getLogger(__name__)

UNPRUNED = 4
"""Trials that go on whatever their first run says: there is no median yet."""

HIGHEST = 4_000_000_001
"""The seed of the proposals, to which the number of trials is added, has 32 bits."""


@dataclass(frozen=True)
class Search:
    """How much is tried, and on what."""

    trials: int = 20
    """Settings in all, over all processes and calls; the methods' defaults come first."""
    minutes: float = 0.0
    """No trial begins after so many minutes of this process; 0: no limit."""
    epochs: int = 0
    """Epochs of a trial; 0: as many as the recipe has."""
    part: int = 0
    """Training images of a trial; 0: the recipe's."""
    seed: int = 1000
    """The seed of every trial and of the proposals; it must not be one of the closing study's."""
    prune: bool = True
    """End a trial after a run of a third of its epochs where that is worse than the median."""

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("trials", self.trials >= 1, "at least 1"),
            ("minutes", 0 <= self.minutes < math.inf, "at least 0; 0: no limit"),
            ("epochs", self.epochs >= 0, "at least 1, or 0 for the recipe's"),
            ("part", self.part >= 0, "a number of training images, or 0 for the recipe's"),
            ("seed", 0 <= self.seed < HIGHEST, "from 0 to 4,000,000,000"),
        ):
            if not good:
                raise UserError(f"search.{name} = {getattr(self, name)!r}", f"search.{name} must be {expected}")

    def late(self, begun: float) -> bool:
        """Whether no trial begins any more in a process that began then (of time.monotonic)."""
        return bool(self.minutes) and time.monotonic() - begun >= 60 * self.minutes

    def spent(self, search: "Optuna") -> bool:
        """Whether all trials are made, or at least begun."""
        from optuna.trial import TrialState

        counted = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
        return len(search.get_trials(deepcopy=False, states=counted)) >= self.trials


def opened(folder: Path, search: Search) -> "Optuna":
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
    journal = _sound_journal(folder)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    found = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    sealed.seal_beginning(journal, _what(journal))
    lived = [state for state in optuna.trial.TrialState if state is not optuna.trial.TrialState.FAIL]
    count = len(found.get_trials(deepcopy=False, states=lived))
    found.sampler = optuna.samplers.TPESampler(seed=search.seed + count, n_startup_trials=max(3, search.trials // 3))
    found.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED) if search.prune else optuna.pruners.NopPruner()
    )
    return found


def _sound_journal(folder: Path) -> Path:
    """Optuna's journal; a damaged one goes aside, and the next begins anew."""
    journal = folder / "journal.jsonl"
    try:
        sealed.check_beginning(journal, _what(journal))
    except Damaged as damaged:
        log.warning("%s; the search begins anew, and finds the runs of its trials done", damaged.message)
        if journal.exists():
            journal.replace(folder / "journal.damaged")
        sealed.remove([journal])
    return journal


def _what(journal: Path) -> str:
    return f"{journal.parent.name}/{journal.name}"


def trial_lock(folder: Path, number: int) -> Path:
    """The file that a process holds while it works on a trial."""
    return folder / f"trial-{number}.lock"


def at_work(folder: Path, number: int) -> bool:
    """Whether a process is working on a trial; one that died holds no lock."""
    with files.locked(trial_lock(folder, number)) as alone:
        return not alone
