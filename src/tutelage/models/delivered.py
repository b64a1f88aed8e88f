"""Compares the weights that a run delivers with the card beside them that says which bytes they are.

Imports no torch.
"""

from pathlib import Path

from tutelage import files, sealed
from tutelage.errors import Damaged

STUDENT = "student.safetensors"
"""The final weights in a run's folder."""


def check_student(path: Path) -> None:
    """Compares the weights of a run with what the card beside them says; does nothing for other files.

    Raises:
        Damaged: they are not the weights that the run wrote.
    """
    card = path.with_name("card.json")
    if path.name != STUDENT or not card.is_file():
        return
    hint = f"tutelage train {path.parent} makes it again from the run's last checkpoint"
    try:
        written = sealed.read_json(card).get("weights_sha256")
    except Damaged as damaged:
        raise Damaged.of(card, damaged.reason, hint) from None
    if written is not None and not path.is_file():
        raise Damaged.of(path, "it is gone", hint)
    if written is not None and files.file_digest(path) != written:
        raise Damaged.of(path, "its checksum is not the one in card.json", hint)
