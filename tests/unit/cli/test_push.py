"""Which files of a run are for others; the hub itself is tests/end_to_end/test_push.py."""

import pytest

from tutelage.cli.push import delivered
from tutelage.errors import UserError


@pytest.fixture
def run(tmp_path):
    names = ("recipe.json", "README.md", "card.json", "export.json", "student.onnx", "student.safetensors", "lock")
    for name in (*names, "log.txt", "metrics.jsonl", "environment.json", "val_logits.safetensors", "DONE"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    return tmp_path


def test_weights_cards_and_exports_are_for_others(run):
    names = ["README.md", "card.json", "recipe.json", "export.json", "student.onnx", "student.safetensors"]
    assert [path.name for path in delivered(run)] == names


@pytest.mark.parametrize(
    ("missing", "message", "hint"),
    [
        ("recipe.json", "holds no run", "tutelage train"),
        ("export.json", "has no exported student", "tutelage export"),
        ("README.md", "has no exported student", "tutelage export"),
    ],
)
def test_what_is_not_ready_is_refused(run, missing, message, hint):
    (run / missing).unlink()
    with pytest.raises(UserError, match=message) as error:
        delivered(run)
    assert hint in error.value.hint
