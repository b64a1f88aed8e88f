"""Tuning: ordinary runs on val alone, the same after any interruption, shared by processes, the winner tried again."""

from dataclasses import replace

import pytest

import small
from tutelage import files
from tutelage.errors import UserError
from tutelage.methods.baseline import Baseline
from tutelage.methods.dist import DIST
from tutelage.methods.kd import KD
from tutelage.report.search import in_words
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import method_words
from tutelage.study.search import Search
from tutelage.study.tune import Tuning
from tutelage.training.loop import train

pytest.importorskip("optuna")

FIT = Fit(epochs=3, batch_size=256, learning_rate=0.05)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Of a run of a second."""
    return small.taught(tmp_path_factory.mktemp("teacher"), fit=FIT)


def searched(recipe, runs, *, methods=(), **search):
    """What the trials gave."""
    recipes = (recipe, *(replace(recipe, method=method) for method in methods))
    tuning = Tuning(recipes, Search(**search), seeds=(0, 1))
    tuning.search_trials(small.workspace(runs))
    return tuning, tuning.outcome(runs / tuning.folder_name)


def test_trials_are_ordinary_runs_that_never_see_the_test_split(recipe, tmp_path):
    _, told = searched(recipe, tmp_path, methods=[DIST()], trials=6)
    assert [trial["defaults"] for trial in told["trials"]] == [True, True, False, False, False, False]
    assert [trial["method"] for trial in told["trials"][:2]] == ["kd", "dist"]
    for trial in told["trials"]:
        assert trial["state"] in ("complete", "pruned")
        if trial["state"] == "complete":
            run = Run.open(tmp_path / trial["run"])
            assert run.done
            assert run.recipe.seed == 1000
            assert method_words(run.recipe.method) == trial["method"]
            assert {name: getattr(run.recipe.method, name) for name in trial["values"]} == trial["values"]
            assert run.curve("val", "top1")[-1][1] == trial["val"]
            assert train(run.recipe, small.workspace(tmp_path)).path == run.path
    complete = [trial for trial in told["trials"] if trial["val"] is not None]
    assert max(trial["val"] for trial in complete) == told["trials"][told["best"]]["val"]
    assert not (tmp_path / "test_openings.jsonl").exists()
    assert len(list((tmp_path / "teacher-cache").iterdir())) == 1, "all trials read the same answers"


def test_stopped_and_gone_on_it_makes_the_same_trials(recipe, tmp_path):
    _, at_once = searched(recipe, tmp_path / "one", trials=5)
    searched(recipe, tmp_path / "two", trials=2)
    tuning = Tuning((recipe,), Search(trials=5), seeds=(0, 1))
    # A process that dies in a trial: nobody tells how it went, its lock is free.
    with tuning._next(tmp_path / "two" / tuning.folder_name) as (_, trial):
        tuning._propose(trial, small.workspace(tmp_path))
    _, parts = searched(recipe, tmp_path / "two", trials=5)

    def told(outcome):
        return [(trial["values"], trial["early"], trial["val"], trial["run"]) for trial in outcome["trials"]]

    assert told(parts) == told(at_once)
    assert not list((tmp_path / "two").rglob("*.pkl"))


def test_processes_share_the_budget_and_no_trial(recipe, tmp_path):
    tuning = Tuning((recipe,), Search(trials=2), seeds=(0, 1))
    folder = tmp_path / tuning.folder_name
    folder.mkdir()
    with tuning._next(folder) as (_, one), tuning._next(folder) as (_, other), tuning._next(folder) as third:
        assert {one.number, other.number} == {0, 1}
        assert third is None
        first, second = (tuning._propose(trial, small.workspace(tmp_path)) for trial in (one, other))
        assert first.method != second.method
        assert tuning.run(small.workspace(tmp_path)) is None, "others still work: the last makes the study"
    assert not (tmp_path / "test_openings.jsonl").exists()


def test_the_hopeless_end_early_and_the_diverged_are_stepped_over(recipe, tmp_path, monkeypatch):
    bold = replace(recipe, fit=replace(FIT, learning_rate=1e9))
    _, told = searched(bold, tmp_path, trials=2)
    assert [trial["state"] for trial in told["trials"]] == ["diverged", "diverged"]
    assert told["best"] is None
    with pytest.raises(UserError, match=r"no trial of .* came to its end"):
        Tuning((bold,), Search(trials=2), seeds=(0, 1)).run(small.workspace(tmp_path))

    falling = iter([0.9, 0.9, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6, 0.1])
    monkeypatch.setattr("tutelage.study.tune._val", lambda run: next(falling))
    _, told = searched(recipe, tmp_path, trials=5)
    assert [trial["state"] for trial in told["trials"]] == ["complete"] * 4 + ["pruned"]
    assert told["trials"][-1]["early"] == 0.1
    assert told["trials"][-1]["val"] is None
    assert not (tmp_path / told["trials"][-1]["run"]).exists(), "its whole run was never begun"


def test_the_winner_is_tried_again_on_fresh_seeds(recipe, tmp_path, monkeypatch):
    in_search = iter([0.5, 0.7, 0.6])
    monkeypatch.setattr("tutelage.study.tune._val", lambda run: next(in_search))
    recipe = replace(recipe, fit=replace(FIT, epochs=1))
    tuning = Tuning((recipe,), Search(trials=3, part=600, epochs=2), (replace(recipe, method=DIST()),), (0, 1))
    folder = tuning.run(small.workspace(tmp_path)).folder
    results = files.read_json(folder / "results.json")
    labels = [row["label"] for row in results["rows"]]
    assert labels[:2] == ["baseline", "kd"]
    assert labels[2].startswith("kd (temperature ")
    assert labels[3] == "dist"
    tuned = results["rows"][2]["method"]
    assert {name: tuned[name] for name in ("temperature", "alpha")} == results["tuning"]["trials"][1]["values"]
    assert results["tuning"]["best"] == 1
    kd, best = ([seed["val"]["top1"] for seed in row["seeds"]] for row in results["rows"][1:3])
    gained = sum(b - a for a, b in zip(kd, best, strict=True)) / 2
    assert results["tuning"]["fresh"]["val"]["mean"] == pytest.approx(gained)
    assert results["gallery"]["student"] == results["export"]["run"]
    told = "\n".join(in_words(results))
    assert "over the defaults on val: +20.00 points in the search, whose winner it is" in told
    assert f"{100 * gained:+.2f} on 2 fresh seeds" in told
    assert "trials had a smaller budget" in told


def test_where_the_defaults_win_nothing_is_to_be_adopted(recipe, tmp_path, monkeypatch, capsys):
    falling = iter([0.7, 0.6])
    monkeypatch.setattr("tutelage.study.tune._val", lambda run: next(falling))
    tuning = Tuning((replace(recipe, fit=replace(FIT, epochs=1)),), Search(trials=2), seeds=(0, 1))
    assert tuning.run(small.workspace(tmp_path)) is None
    told = capsys.readouterr().err
    assert "no trial was better than the method's defaults: there is nothing to adopt" in told
    assert "the test split stays shut" in told
    assert not (tmp_path / "test_openings.jsonl").exists()
    assert not list(tmp_path.glob("study-*")), "nothing more was trained"
    (line,) = files.read_lines(tmp_path / tuning.folder_name / "commands.jsonl")
    assert line["seconds"] > 0


def test_what_cannot_be_tuned_is_refused(recipe):
    with pytest.raises(UserError, match="baseline has no number to tune"):
        Tuning((replace(recipe, method=Baseline(), teacher=None),))
    with pytest.raises(UserError, match="also a seed of the closing study"):
        Tuning((recipe,), Search(seed=0))
    with pytest.raises(UserError, match=r"search.trials = 0"):
        Search(trials=0)
    with pytest.raises(UserError, match="differ in more than the method"):
        Tuning((recipe, replace(recipe, method=KD(2.0), views=1)))
