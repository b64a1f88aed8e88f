"""Which student of a study is handed over."""

from pathlib import Path
from typing import Any

import pytest

from tutelage.run.folder import Run
from tutelage.study.finished import Finished


class Evaluated(Run):
    """A run of which only the accuracy on val is known."""

    def result(self, name: str) -> Any:
        return {"val": {"top1": float(self.path.name)}}


def finished(*rows: tuple[float, ...]) -> Finished:
    trained: Any = {
        (number, seed): Evaluated(Path(str(top1))) for number, row in enumerate(rows) for seed, top1 in enumerate(row)
    }
    dataset: Any = None
    recipes: Any = tuple(range(len(rows)))
    return Finished(recipes, tuple(range(len(rows[0]))), trained, Path("study"), dataset)


@pytest.mark.parametrize(
    ("rows", "number", "top1"),
    [
        (((0.9, 0.9, 0.9), (0.286, 0.571, 0.4)), 1, "0.571"),
        (((0.1, 0.1), (0.5, 0.5), (0.9, 0.2)), 2, "0.9"),
        (((0.1, 0.1), (0.6, 0.5), (0.9, 0.1)), 1, "0.6"),
        (((0.1, 0.1), (0.5, 0.5)), 1, "0.5"),
        (((0.3, 0.4),), 0, "0.4"),
    ],
    ids=["best seed", "best method", "not the best seed of another method", "equal", "baseline alone"],
)
def test_it_is_the_best_seed_of_the_best_method_on_val(rows, number, top1):
    study = finished(*rows)
    assert (study.shown[0], study.shown[1].path.name) == (number, top1)
    if rows[number][0] == rows[number][1]:
        assert study.shown[1] is study.trained[number, 0], "of equal ones the first"
