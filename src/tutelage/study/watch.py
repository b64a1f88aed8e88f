"""Counts what a study's commands took on the clock and trained, apart from what they found done.

A command appends one line when it ends or is stopped; one that is killed leaves none, and the next command finds done
what it had trained.
"""

import logging
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tutelage import sealed
from tutelage.errors import Damaged
from tutelage.run import checkpoint
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.run.record import kept, study_title
from tutelage.run.workspace import Workspace

if TYPE_CHECKING:
    from tutelage.report.results import Cost
    from tutelage.study.finished import Finished

log = logging.getLogger(__name__)

FILE = "commands.jsonl"
"""In a study's folder; in a search's for commands that did not come to its closing study."""


class Watch:
    """One command, from its first moment on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._time = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self._before: dict[Path, float] = {}
        """Seconds that a run had been trained for when it was first looked at."""

    def look(self, recipes: Iterable[Recipe], runs: Path) -> None:
        """Notes how far some runs and their teachers are; what they gain from now on is this command's."""
        for wanted in recipes:
            for folder in (Workspace(runs).folder(recipe) for recipe in (*wanted.of_teachers, wanted)):
                if folder not in self._before:
                    self._before[folder] = _seconds(folder)

    def forget(self, recipe: Recipe, runs: Path) -> None:
        """What a run gains is not this command's: another process trains it."""
        self._before.pop(Workspace(runs).folder(recipe), None)

    @property
    def line(self) -> dict[str, Any]:
        """So far: when it began, `seconds` on the clock, and the seconds by which it `trained` each run."""
        gained = {folder.name: _seconds(folder) - before for folder, before in self._before.items()}
        trained = {name: round(seconds, 1) for name, seconds in gained.items() if seconds > 0}
        return {"time": self._time, "seconds": round(time.monotonic() - self._begun, 1), "trained": trained}

    def note(self, folder: Path) -> None:
        """Writes the line of this command."""
        _known(folder)
        sealed.append_lines(folder / FILE, [self.line], _what(folder))

    @contextmanager
    def noting_a_stop(self, folder: Path) -> Generator[None]:
        """Writes it where the block is stopped or fails after something was trained."""
        try:
            yield
        except BaseException:
            if self.line["trained"]:
                self.note(folder)
            raise


class Spent(NamedTuple):
    """What several commands took together."""

    commands: int
    seconds: float
    trained: dict[str, float]
    """Seconds of training, by run."""


def spent(lines: list[dict[str, Any]]) -> Spent:
    """The sum over the lines of commands.

    >>> spent([{"seconds": 9.0, "trained": {"a": 5.0}}, {"seconds": 4.0, "trained": {"a": 1.0, "b": 2.0}}])
    Spent(commands=2, seconds=13.0, trained={'a': 6.0, 'b': 2.0})
    """
    trained: dict[str, float] = {}
    for line in lines:
        for name, seconds in line["trained"].items():
            trained[name] = trained.get(name, 0.0) + seconds
    return Spent(len(lines), sum(line["seconds"] for line in lines), trained)


def cost(study: "Finished", watch: Watch) -> "Cost":
    """What the study took until now, in the command that a watch is of."""
    took = spent([*_lines(study), watch.line])
    starts = {start.hash: start for run in study.trained.values() if (start := run.recipe.of_start)}
    students = [*study.trained.values(), *(Run.of(start, study.workspace.runs) for start in starts.values())]
    teachers = [Run.of(own, study.workspace.runs) for own in study.taught.of_teachers]
    groups: dict[Literal["students", "teachers"], list[Run]] = {"students": students, "teachers": teachers}
    own = {who: sum(took.trained.get(run.path.name, 0.0) for run in runs) for who, runs in groups.items()}
    costs, of_teachers = ([run.result("cost") for run in runs] for runs in groups.values())
    return {
        "wall_seconds": round(took.seconds, 1),
        "commands": took.commands,
        "own_seconds": {who: round(seconds, 1) for who, seconds in own.items()},
        "found_done": {who: sum(run.path.name not in took.trained for run in runs) for who, runs in groups.items()},
        "training_seconds": round(sum(cost["seconds"] for cost in costs), 1),
        "teacher_training_seconds": sum(cost["seconds"] for cost in of_teachers),
        # A head-tuned teacher's own training pays for the embeddings that it then answers from.
        "teacher_passes_paid": sum(cost["teacher_passes_paid"] for cost in (*costs, *of_teachers)),
        "teacher_passes_saved": sum(cost["teacher_passes_saved"] for cost in costs),
    }


def _lines(study: "Finished") -> list[dict[str, Any]]:
    """Those of earlier commands, of the search that led to the study among them."""
    folders = [study.folder]
    if (study.folder / "tuning.json").exists():
        searched = kept(study.folder, "tuning").get("folder")
        folders += [study.workspace.runs / searched] if searched else []
    return [line for folder in folders for line in _known(folder)]


def _known(folder: Path) -> list[dict[str, Any]]:
    """The lines in a folder; those of a damaged file go aside, and are no longer counted."""
    path = folder / FILE
    try:
        return sealed.read_lines(path, _what(folder))
    except Damaged as damaged:
        log.warning("%s; what the commands before this one took is not counted", damaged.message)
        if path.exists():
            path.replace(path.with_suffix(".damaged"))
        sealed.remove([path])
        return []


def _what(folder: Path) -> str:
    return f"{study_title(folder)}/{FILE}"


def _seconds(folder: Path) -> float:
    """For how long a run has been trained: said at its end, and by its checkpoints before."""
    saved = folder / "checkpoints"
    states = [saved / f"step_{step:08d}" / "state.json" for step in reversed(checkpoint.list_steps(saved))]
    for path in (folder / "cost.json", *states):
        with suppress(Damaged):  # gone; or training names it, and makes it again
            return sealed.read_json(path).get("seconds", 0.0)
    return 0.0
