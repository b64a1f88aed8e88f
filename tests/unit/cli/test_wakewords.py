"""`tutelage data wake-words` as typed: its table, its counts, and what it will not overwrite."""

import json

import pytest
from PIL import Image

from tutelage import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two photos, one of them with a person."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (10, 10)).save(tmp_path / name)
    images = [
        {"id": number, "file_name": name, "width": 10, "height": 10} for number, name in ((1, "a.png"), (2, "b.png"))
    ]
    box = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5]}
    found = {"categories": [{"id": 7, "name": "person"}], "images": images, "annotations": [box]}
    (tmp_path / "instances.json").write_text(json.dumps(found))
    return tmp_path


def test_the_command_writes_a_table_and_says_how_many(folder, capsys):
    cli.main(["data", "wake-words", "instances.json", ".", "--test", "instances.json", "."])
    said = capsys.readouterr().out
    assert "train: 1 person, 1 no person\ntest: 1 person, 1 no person\n" in said
    assert (folder / "visual_wake_words.csv").read_text().splitlines()[:2] == ["path,label,split", "a.png,person,train"]


def test_a_table_that_is_there_stays(folder, capsys):
    (folder / "visual_wake_words.csv").write_text("mine")
    with pytest.raises(SystemExit):
        cli.main(["data", "wake-words", "instances.json", "."])
    assert "is there already" in capsys.readouterr().err
    assert (folder / "visual_wake_words.csv").read_text() == "mine"
