"""Says where things happen: the folder of all runs, the folder of the data sets, and the engine."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.run.engine import Engine

if TYPE_CHECKING:
    from tutelage.run.recipe import Recipe


@dataclass(frozen=True)
class Workspace:
    """Where runs are kept, where data sets are found, and what computes. It changes no number of a recipe."""

    runs: Path = Path("runs")
    """The folder of all runs, studies and teachers' answers."""
    data_root: Path | None = None
    """The folder of the data sets; None: $TUTELAGE_DATA, else ~/.cache/tutelage/data."""
    engine: Engine = field(default_factory=Engine)
    """Devices, precision, threads."""

    def __post_init__(self) -> None:
        """Folders may be named by text, as people type them."""
        object.__setattr__(self, "runs", Path(self.runs))
        object.__setattr__(self, "data_root", None if self.data_root is None else Path(self.data_root))

    @property
    def caches(self) -> Path:
        """The folder of all teachers' answers."""
        return self.runs / "teacher-cache"

    @property
    def test_openings(self) -> Path:
        """The record of every opening of a test split."""
        return self.runs / "test_openings.jsonl"

    def folder(self, recipe: "Recipe") -> Path:
        """The folder of a recipe's run, whether it is there yet or not.

        It is found by the recipe's hash: the data may have moved since, or have got another name.
        """
        path = self.runs / recipe.name
        found = [] if path.exists() else sorted(self.runs.glob(f"*-{recipe.hash}/recipe.json"))
        return found[0].parent if found else path
