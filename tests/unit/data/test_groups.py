"""What belongs together: by copies, by a column of the table, by a pattern on the path."""

import csv
import shutil
from dataclasses import replace

import pytest
from PIL import Image

import awkward
import small
from tutelage.data import Data, groups, index, photos
from tutelage.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return small.photos(tmp_path / "photos", images=4)


def together(told, of):
    """The files of each group of more than one."""
    parts = {}
    for entry, number in zip(told.sound, of, strict=True):
        parts.setdefault(number, set()).add(entry.place.file)
    return [part for part in parts.values() if len(part) > 1]


def test_copies_are_one_group(folder):
    Image.open(folder / "red" / "00.png").save(folder / "green" / "same.bmp")
    told = index.read(str(folder))
    assert together(told, groups.of(told, "")) == [{"red/00.png", "green/same.bmp"}]


def test_a_pattern_on_the_path(folder):
    told = index.read(str(folder))
    of = groups.of_data(told, Data(str(folder), group=r"(red|blue)/"))
    assert sorted(map(len, together(told, of))) == [4, 4]
    assert groups.alone(told, Data(str(folder), group=r"(red|blue)/")) == 4


def test_a_column_of_a_table_and_copies_join(folder):
    shutil.copy(folder / "red" / "00.png", folder / "blue" / "copy.png")
    files = ["red/00.png", "red/01.png", "red/02.png", "blue/00.png", "blue/01.png", "blue/copy.png"]
    with (folder / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "Burst no."])
        rows.writerows(zip(files, [f.split("/")[0] for f in files], ["a", "a", "", "b", "", "b"], strict=True))
    told = index.read(str(folder / "t.csv"))
    of = groups.of_data(told, Data(str(folder / "t.csv"), group="Burst no."))
    assert together(told, of) == [{"red/00.png", "red/01.png", "blue/00.png", "blue/copy.png"}]
    with pytest.raises(UserError, match="has no such column"):
        groups.of_data(told, Data(str(folder / "t.csv"), group="burst"))


def test_groups_that_the_given_splits_cut_are_said(tmp_path):
    awkward.folder(tmp_path, "train/cat", "train/dog", "test/cat", "test/dog", "val/cat", "val/dog", images=3)
    data = Data(str(tmp_path), group=r"(\d+)\.png$")
    told = index.read(str(tmp_path))
    assert "; 3 are in train and beside it, as the splits are given" in photos.of_groups(told, data)[0]
    apart = replace(data, group=r"(\w+/\w+/\d+)\.png$")
    assert "are in train" not in photos.of_groups(told, apart)[0]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("red", "with 0 groups in parentheses, expected exactly one"),
        ("(r)(e)d", "with 2 groups in parentheses, expected exactly one"),
        ("(red", "neither a column of a table nor a regular expression"),
        ("(violet)", "matches no path; the first is blue/00.png"),
    ],
)
def test_mistakes_are_named(folder, pattern, message):
    with pytest.raises(UserError, match=message):
        groups.of_data(index.read(str(folder)), Data(str(folder), group=pattern))


def test_a_pattern_that_never_ends_is_stopped(folder, monkeypatch):
    monkeypatch.setattr(groups, "PATIENCE_S", 0.5)
    (folder / "red" / ("a" * 60 + ".png")).write_bytes((folder / "red" / "00.png").read_bytes())
    with pytest.raises(UserError, match="takes more than"):
        groups.of_data(index.read(str(folder)), Data(str(folder), group=r"((?:a+)+)!"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0001_01", "0001_02", "0002_01", "0002_02"], True),
        (["trackA1", "trackA2", "trackB1", "trackB2"], True),
        (["cat_01", "cat_02", "cat_03", "cat_04"], False),
        (["1", "2", "3", "4"], False),
        (["a", "b", "c", "d"], False),
    ],
)
def test_bursts_are_suspected_where_several_prefixes_of_a_class_are_counted(tmp_path, names, expected):
    made = small.photos(tmp_path, images=4)
    for colour in ("red", "green", "blue"):
        for number, name in enumerate(names):
            (made / colour / f"{number:02d}.png").rename(made / colour / f"{name}.png")
    assert groups.by_counter(index.read(str(made)).sound) == expected
