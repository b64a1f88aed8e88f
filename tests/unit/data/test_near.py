"""Near copies: the shots of a burst, and not other photos of the same kind."""

import json

import numpy as np
import pytest
from PIL import Image

import small
from tutelage import files
from tutelage.data import index, near


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return index.read(str(small.bursts(tmp_path_factory.mktemp("bursts") / "photos")))


def burst(told, position):
    return told.sound[position].place.file.rpartition("_")[0]


def test_bursts_are_told_from_other_photos_of_the_same_class(told):
    files = range(len(told.sound))
    true = {(i, j) for i in files for j in range(i + 1, len(files)) if burst(told, i) == burst(told, j)}
    found = set(near.pairs(told))
    assert len(true) > 200
    assert len(found & true) / len(found) >= 0.95
    assert len(found & true) / len(true) >= 0.8


def test_what_was_found_is_kept_and_what_is_damaged_is_found_again(told, monkeypatch):
    first, looks = near.pairs(told), []
    monkeypatch.setattr(near, "_looked_for", lambda index: looks.append(index) or first)
    assert near.pairs(told) == first
    assert looks == []
    (file,) = files.cache_folder().glob(f"near-{told.digest[:16]}-*.json")
    for damaged in ("{", '{"pairs": [["a", "b"]]}', '{"pairs": 3}', json.dumps({"other": 1})):
        file.write_text(damaged)
        assert near.pairs(told) == first
    assert len(looks) == 4


def test_pictures_without_structure_are_no_near_copies():
    flat = np.full((3, near.SIDE, near.SIDE), 128, np.float32) + np.arange(3, dtype=np.float32)[:, None, None]
    assert near.alike(flat) == []


def test_the_same_picture_under_a_shift_of_three_cells_is_one():
    generator = np.random.default_rng(0)
    large = np.asarray(
        Image.fromarray(generator.integers(0, 255, (12, 12), np.uint8)).resize((48, 48), Image.Resampling.BICUBIC),
        np.float32,
    )
    pictures = [large[y : y + 32, x : x + 32] for y, x in ((8, 8), (11, 8), (8, 5), (5, 11))]
    other = np.asarray(
        Image.fromarray(generator.integers(0, 255, (8, 8), np.uint8)).resize((32, 32), Image.Resampling.BICUBIC),
        np.float32,
    )
    assert {(0, 1), (0, 2), (0, 3)} <= set(near.alike(np.stack([*pictures, other])))
    assert not [pair for pair in near.alike(np.stack([*pictures, other])) if 4 in pair]


def test_a_class_of_too_many_images_is_named(told, monkeypatch):
    monkeypatch.setattr(near, "LARGEST", 10)
    assert near.too_large(told) == ["china", "flower"]
    assert list(near._looked_for(told)) == []
