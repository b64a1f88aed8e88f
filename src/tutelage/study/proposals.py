"""What a search tries next: Optuna, with its trials in a file that several processes share."""

from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.errors import UserError

if TYPE_CHECKING:
    from optuna import Study

UNPRUNED = 4
"""Trials that go on whatever their first run says: there is no median yet."""


def proposals(folder: Path, *, seed: int, trials: int, prune: bool) -> "Study":
    """The search on disk, with proposals that depend on the trials so far and on nothing else.

    Args:
        folder: Of the search.
        seed: Of the proposals.
        trials: How many there are to be; the first third of them is drawn at random.
        prune: Whether a trial may be ended early.

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
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.jsonl")))
    found = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    lived = [state for state in optuna.trial.TrialState if state is not optuna.trial.TrialState.FAIL]
    count = len(found.get_trials(deepcopy=False, states=lived))
    found.sampler = optuna.samplers.TPESampler(seed=seed + count, n_startup_trials=max(3, trials // 3))
    found.pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED) if prune else optuna.pruners.NopPruner()
    return found
