"""Says what a path holds in place of the run or the study that was asked for."""

from pathlib import Path

from tutelage.data.place import few
from tutelage.errors import UserError


def no_run(path: Path) -> UserError:
    """The error for a path that is no run's folder; the hint names the run that is meant, or how one is made."""
    inside = "a run" if (path.parent / "recipe.json").is_file() else ""
    hint = _hint(path, "recipe.json", "runs", inside)
    if (path / "study.json").is_file():
        hint = f"it is a study; its runs lie beside it, in {path.parent}"
    return UserError(f"{path} holds no run (no recipe.json)", hint or "tutelage train RECIPE makes one")


def no_study(path: Path) -> UserError:
    """The same for a study."""
    inside = "a study" if (path.parent / "study.json").is_file() else ""
    hint = _hint(path, "study.json", "studies", inside)
    if (path / "recipe.json").is_file():
        hint = "it is a run: tutelage evaluate RUN, or tutelage compare RUN ..."
    return UserError(f"{path} holds no study (no study.json)", hint or "tutelage distill RECIPE makes one")


def _hint(path: Path, file: str, kind: str, inside: str) -> str:
    """What to name where the path is a file in such a folder, or a folder around them; empty: it is neither."""
    if inside and path.is_file():
        return f"it is a file of {inside}: name its folder, {path.parent}"
    within = sorted(found.parent.name for found in path.glob(f"*/{file}")) if path.is_dir() else []
    return f"name one of the {kind} in it: {few(within)}" if within else ""
