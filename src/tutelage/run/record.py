"""Keeps the JSON files of a study's folder, sealed as those of "study-HASH"."""

import re
from pathlib import Path
from typing import Any

from tutelage import sealed
from tutelage.errors import Damaged
from tutelage.run.elsewhere import no_study

AGAIN = {
    "results": "tutelage distill with the study's recipe gathers them again",
    "study": "tutelage distill with the study's recipe writes it again",
    "environment": "tutelage distill with the study's recipe writes it again",
    "tuning": "the tutelage tune command that made it writes it again",
}
"""What makes a damaged file again."""


def check_study(folder: Path) -> None:
    """Raises UserError where a folder holds no study."""
    if not (Path(folder) / "study.json").is_file():
        raise no_study(Path(folder))


def study_title(folder: Path) -> str:
    """What a study's files are sealed as: its folder's name ends in its hash, or study.json says it where it does not.

    Raises:
        Damaged: that file is.
    """
    folder = Path(folder)
    named = re.search(r"-([0-9a-f]{8})$", folder.resolve().name)
    if named:
        return f"study-{named[1]}"
    return sealed.owner(folder / "study.json") if (folder / "study.json").exists() else ""


def keep(folder: Path, name: str, value: dict[str, Any]) -> None:
    """Writes FOLDER/NAME.json: what `kept` reads."""
    sealed.write_json(Path(folder) / f"{name}.json", value, f"{study_title(folder)}/{name}.json")


def kept(folder: Path, name: str) -> Any:
    """What FOLDER/NAME.json holds.

    Raises:
        Damaged: it is not as it was written.
    """
    path = Path(folder) / f"{name}.json"
    try:
        title = study_title(folder)
        return sealed.read_json(path, f"{title}/{name}.json" if title else None)
    except Damaged as damaged:
        raise Damaged.of(path, damaged.reason, AGAIN.get(name, "")) from None
