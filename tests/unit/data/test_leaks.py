"""How much of val and test is in training: counted, said, and dropped where that is asked for."""

import shutil

import pytest

import small
from tutelage.data import Data, groups, index, leaks, photos
from tutelage.data.test_split import leakage, positions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.bursts(tmp_path_factory.mktemp("bursts") / "photos")


def test_a_random_split_of_bursts_is_told_from_one_that_keeps_them_whole(folder):
    cut = leakage(Data(str(folder)))
    whole = leakage(Data(str(folder), group=groups.COUNTER))
    assert cut["test"]["near"] > 0.3 * cut["test"]["images"]
    assert whole["test"]["near"] + whole["val"]["near"] == 0
    assert "points too high for new photos" in leaks.sentence(cut)
    assert leaks.sentence(whole).endswith("images has a copy or a near copy in training")


def test_what_leaks_can_be_dropped_from_training(folder):
    told, asked = index.read(str(folder)), Data(str(folder), on_leak="drop")
    left = leakage(asked)
    assert left["test"]["near"] + left["val"]["near"] + left["test"]["copies"] == 0
    plain = Data(str(folder))
    assert photos.pieces(told, asked).val.tolist() == photos.pieces(told, plain).val.tolist()
    assert positions(told, asked).tolist() == positions(told, plain).tolist()
    assert set(photos.pieces(told, asked).train.tolist()) < set(photos.pieces(told, plain).train.tolist())
    assert asked.identity != plain.identity


def test_copies_across_given_splits_are_counted_and_dropped(tmp_path):
    made = small.photos(tmp_path, images=4, splits=("train", "val", "test"))
    shutil.copy(made / "train" / "red" / "00.png", made / "test" / "red" / "leak.png")
    assert leakage(Data(str(made)))["test"] == {"images": 13, "copies": 1, "near": 0}
    told, asked = index.read(str(made)), Data(str(made), on_leak="drop")
    kept = {told.sound[i].place.file for i in photos.pieces(told, asked).train.tolist()}
    assert len(kept) == 11
    assert "train/red/00.png" not in kept


def test_the_sentence_has_the_numbers():
    of = {"images": 200, "copies": 2, "near": 18}
    found = {"val": {"images": 50, "copies": 0, "near": 0}, "test": of, "not_compared": ["cat"]}
    said = leaks.sentence(found)
    assert "20 of 200 test images (10.0 %; 2 exact)" in said
    assert "up to 10.0 points too high" in said
    assert said.endswith("not looked for in cat: more than 20,000 images")
    assert "not looked for" in leaks.sentence(None)
    assert leakage(Data("digits")) is None
