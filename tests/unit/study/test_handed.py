"""What a study keeps beside its runs of the student that is handed over."""

from typing import Any, cast

import pytest

from tutelage import sealed
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.study import handed
from tutelage.study.finished import Finished

TOP1 = {"a": (0.286, 0.3), "b": (0.571, 0.2), "c": (0.4, 0.1)}
"""On val and on test, by run: seeds 0, 1 and 2."""


@pytest.fixture
def study(tmp_path, monkeypatch) -> Finished:
    """Three seeds of one method, of which b is the best on val; none is exported."""
    trained, rows, dataset = {}, cast(Any, (None,)), cast(Any, None)
    for seed, (name, (val, _)) in enumerate(TOP1.items()):
        sealed.write_json(tmp_path / name / "recipe.json", {}, f"run-{name}/recipe.json")
        trained[0, seed] = Run(tmp_path / name)
        trained[0, seed].keep("evaluation", {"val": {"top1": val}})
        trained[0, seed].__dict__["recipe"] = Recipe(seed=seed)
    monkeypatch.setattr(handed, "doubt", lambda run, dataset: f"{run.path.name} guesses")
    return Finished(rows, (0, 1, 2), trained, tmp_path / "study-x", dataset)


@pytest.fixture
def results() -> Any:
    seeds = [{"run": name, "val": {"top1": val}, "test": {"top1": test}} for name, (val, test) in TOP1.items()]
    return {"study": "study-x", "rows": [{"label": "kd", "seeds": seeds}]}


def test_results_say_which_it_is_and_what_speaks_against_it(study, results):
    told = handed.exported(study, results["rows"])
    assert told == {"run": "b", "onnx": None, "method": "kd", "seed": 1, "val": 0.571, "doubt": "b guesses"}


def test_every_run_keeps_its_numbers_on_test_and_the_best_its_place(study, results, tmp_path):
    handed.keep(study, results)
    runs = {name: Run(tmp_path / name) for name in TOP1}
    assert {name: run.result("test")["top1"] for name, run in runs.items()} == {
        name: test for name, (_, test) in TOP1.items()
    }
    (told,) = [found for run in runs.values() if (found := run.result("handed_over"))]
    assert sealed.owner(tmp_path / "b" / "handed_over.json") == "run-b"
    assert told["mean"] == {"val": pytest.approx(0.419), "test": pytest.approx(0.2)}
    assert (told["study"], told["method"], told["seed"], told["seeds"]) == ("study-x", "kd", 1, 3)
    assert not list(tmp_path.glob("*/README.md")), "a card is of what is exported"
