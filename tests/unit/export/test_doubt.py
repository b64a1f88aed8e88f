"""A student that guesses, or that teaching made worse, is not handed over unless it is asked for."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import small
from tutelage.errors import UserError
from tutelage.export import export
from tutelage.export.doubt import doubt
from tutelage.methods.baseline import Baseline
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.training.predictions import keep_val


def a_run(runs, recipe: Recipe, hits: int, labels) -> Run:
    """A run that is done, whose answers on val are right so often, from the first image on."""
    run = Run.of(recipe, runs)
    logits = torch.nn.functional.one_hot(labels, 3).float()
    logits[hits:] = logits[hits:].roll(1, dims=1)
    keep_val(run, logits, labels)
    (run.path / "DONE").touch()
    return run


@pytest.fixture
def taught(tmp_path):
    return small.taught(tmp_path)


BALANCED = torch.arange(15) % 3
SKEWED = torch.tensor([0] * 12 + [1, 1, 2])


@pytest.mark.parametrize(
    ("labels", "hits", "guesses"),
    [
        (BALANCED, 8, True),  # P(at least 8 of 15 by thirds) = 0.088
        (BALANCED, 9, False),  # 0.031
        (SKEWED, 12, True),  # the commonest class alone
        (SKEWED, 15, False),  # 0.8 ** 15 = 0.035
        (torch.tensor([0, 1]), 2, True),  # two images show nothing: 0.25
        (torch.zeros(9, dtype=torch.int64), 9, True),
    ],
)
def test_better_than_guessing_is_shown_or_not(labels, hits, guesses, tmp_path, taught):
    why = doubt(a_run(tmp_path / "runs", taught, hits, labels), small.digits())
    assert ("not shown to be better than always naming the commonest class" in why) == guesses
    assert f"right on {hits} of {len(labels)} validation images" in why or not guesses


def test_worse_than_its_baseline_of_the_same_seed(tmp_path, taught):
    runs = tmp_path / "runs"
    run = a_run(runs, taught, 12, BALANCED)
    assert doubt(run, small.digits()) == "", "there is no baseline to be worse than"
    a_run(runs, replace(taught.as_baseline, seed=7), 15, BALANCED)
    assert doubt(run, small.digits()) == "", "of another seed"
    alone = a_run(runs, taught.as_baseline, 13, BALANCED)
    assert isinstance(alone.recipe.method, Baseline)
    why = doubt(run, small.digits())
    named = f"and the same student without a teacher, {alone.path.name}, on 13"
    assert f"{named}: better alone, and tutelage export makes files of that run, too" in why
    assert doubt(alone, small.digits()) == "", "a baseline has none"
    (alone.path / "DONE").unlink()
    assert doubt(run, small.digits()) == "", "an unfinished one says nothing"


def test_export_refuses_and_says_why(tmp_path, taught, monkeypatch):
    run = a_run(tmp_path / "runs", taught, 3, BALANCED)
    with pytest.raises(UserError, match="is not handed over: it is right on 3 of 15") as refused:
        export(run, small.digits())
    assert "--force exports it, and its card says this" in refused.value.hint
    assert not (run.path / "export.json").exists()
    assert not (run.path / "doubt.json").exists()
    monkeypatch.setattr("tutelage.export.task_of", lambda *_: SimpleNamespace(card={}))
    monkeypatch.setattr("tutelage.export.export_file", lambda *args, **kwargs: {})
    run.keep("card", {})
    export(run, small.digits(), force=True)
    assert "right on 3 of 15" in run.result("doubt")["why"]
    a_run(tmp_path / "runs", taught, 15, BALANCED)
    export(run, small.digits())
    assert not (run.path / "doubt.json").exists(), "nothing speaks against it any more"
