"""A search on disk: proposals that depend on the trials so far alone, and a lock a trial."""

import math
import multiprocessing

import pytest

from tutelage import files
from tutelage.errors import UserError
from tutelage.study.search import Search, at_work, opened, trial_lock

optuna = pytest.importorskip("optuna")


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def proposals(folder, trials):
    """The values of so many trials, each in a search that was opened anew."""
    found = []
    for _ in range(trials):
        search = opened(folder, Search(trials=9))
        trial = search.ask()
        found.append(trial.suggest_float("temperature", 1, 20, log=True))
        search.tell(trial, trial.number / 10)
    return found


def test_proposals_are_the_same_whoever_asks_for_them(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = proposals(tmp_path / "a", 4)
    assert len(set(first)) == 4
    assert proposals(tmp_path / "b", 2) == first[:2]
    assert proposals(tmp_path / "b", 2) == first[2:], "it goes on where it was left"


def test_a_failed_trial_changes_no_later_proposal(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    expected = proposals(tmp_path / "a", 2)
    search = opened(tmp_path / "b", Search(trials=9))
    search.tell(search.ask(), state=optuna.trial.TrialState.FAIL)
    assert proposals(tmp_path / "b", 2) == expected


@pytest.mark.parametrize(("prune", "kind"), [(True, "MedianPruner"), (False, "NopPruner")])
def test_pruning_can_be_turned_off(prune, kind, folder):
    assert type(opened(folder, Search(prune=prune)).pruner).__name__ == kind


def test_a_trial_is_at_work_while_its_lock_is_held(folder):
    assert not at_work(folder, 3)
    with files.locked(trial_lock(folder, 3)):
        asked = multiprocessing.get_context("fork").Pool(1)
        with asked:
            assert asked.apply(at_work, (folder, 3))
            assert not asked.apply(at_work, (folder, 4))
    assert not at_work(folder, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trials": 0}, "search.trials = 0"),
        ({"minutes": -1.0}, "search.minutes = -1.0"),
        ({"minutes": math.nan}, "search.minutes = nan"),
        ({"epochs": -1}, "search.epochs = -1"),
        ({"part": -1}, "search.part = -1"),
        ({"seed": -1}, "search.seed = -1"),
        ({"seed": 2**32}, "search.seed = 4294967296"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(values, message):
    with pytest.raises(UserError) as error:
        Search(**values)
    assert error.value.message == message
    assert f"{message.partition(' ')[0]} must be" in error.value.hint
