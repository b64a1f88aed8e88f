"""Photos with and without a person, from annotations as COCO has them, made up here."""

import csv
import json

import pytest
from PIL import Image

from tutelage import data
from tutelage.data import Data
from tutelage.data.wake_words import photos, write_table
from tutelage.errors import UserError

BOXES = {
    "large.jpg": [(1, (0, 0, 10, 11))],  # 110 of 20,000 pixels: 0.55 %
    "limit.jpg": [(1, (0, 0, 10, 10))],  # exactly half a percent, and not more
    "dog.jpg": [(2, (0, 0, 100, 100))],
    "empty.jpg": [],
    "both.jpg": [(2, (0, 0, 9, 9)), (1, (5, 5, 50, 60))],
}
WITH = {"large.jpg": True, "limit.jpg": False, "dog.jpg": False, "empty.jpg": False, "both.jpg": True}


@pytest.fixture
def annotations(tmp_path):
    """A folder of photos and the file beside it."""
    (tmp_path / "photos").mkdir()
    found = {"categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}], "images": [], "annotations": []}
    for number, (name, boxes) in enumerate(BOXES.items()):
        Image.new("RGB", (200, 100), (50 * number, 9, 9)).save(tmp_path / "photos" / name)
        found["images"].append({"id": number, "file_name": name, "width": 200, "height": 100})
        found["annotations"] += [{"image_id": number, "category_id": kind, "bbox": list(box)} for kind, box in boxes]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(found))
    return path


def test_a_box_of_more_than_half_a_percent_is_an_object(annotations):
    assert dict(photos(annotations, "person")) == WITH
    assert [name for name, there in photos(annotations, "dog") if there] == ["dog.jpg"]


def test_the_table_is_one_that_is_read(annotations, tmp_path):
    table = tmp_path / "wake_words.csv"
    parts = {split: (annotations, tmp_path / "photos") for split in ("train", "test")}
    counts = write_table(table, parts)
    assert counts == {split: {"person": 2, "no person": 3} for split in ("train", "test")}
    rows = list(csv.DictReader(table.open()))
    assert rows[0] == {"path": "photos/large.jpg", "label": "person", "split": "train"}
    assert len(rows) == 10
    dataset = data.load(Data(str(table), size=16, val_share=0.4, keep="memory"))
    assert dataset.classes == ("no person", "person")
    assert dataset.train.shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:50], "cannot be read"),
        (lambda text: "[]", "cannot be read"),
        (lambda text: text.replace("bbox", "box"), "cannot be read: KeyError 'bbox'"),
        (lambda text: text.replace('"person"', '"human"'), 'unknown object "person"'),
        (lambda text: text.replace("dog.jpg", "gone.jpg"), "names gone.jpg: not in"),
        (lambda text: text.replace("dog.jpg", "../photos/dog.jpg"), "names ../photos/dog.jpg: not in"),
        (lambda text: text.replace('"category_id": 1', '"category_id": 2'), "0 photos with person, 5 without"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(annotations, tmp_path, damage, message):
    annotations.write_text(damage(annotations.read_text()))
    with pytest.raises(UserError, match=message):
        write_table(tmp_path / "out.csv", {"train": (annotations, tmp_path / "photos")})
    assert not (tmp_path / "out.csv").exists()


def test_no_annotations_are_said(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        write_table(tmp_path / "out.csv", {"train": (tmp_path / "gone.json", tmp_path)})
