"""Every file is read once; what is known of it is known by its content."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import small
from tutelage.data import index, reading
from tutelage.data.places import Place

PLACE = Place("a.png", "", "a", 0, 0)


@pytest.fixture
def folder(tmp_path):
    return small.photos(tmp_path / "photos", images=4)


@pytest.fixture
def readings(monkeypatch):
    """Files that were read."""
    seen = []
    inspect = reading.inspect
    monkeypatch.setattr(reading, "inspect", lambda root, place: seen.append(place.file) or inspect(root, place))
    return seen


def fresh(path):
    """As another process reads it."""
    index._latest.clear()
    return index.read(str(path))


def test_a_known_file_that_cannot_be_read_any_more_is_broken_and_no_traceback(folder, monkeypatch):
    assert not fresh(folder).broken

    def unreadable(root, place):
        raise OverflowError("larger than a file can be")

    monkeypatch.setattr(reading, "content", unreadable)
    assert len(fresh(folder).broken) == 12


def test_a_file_is_read_again_only_where_it_changed(folder, readings):
    first = fresh(folder)
    assert len(readings) == 12
    assert fresh(folder).digest == first.digest
    assert len(readings) == 12
    Image.new("RGB", (9, 9), "white").save(folder / "red" / "00.png")
    (folder / "blue" / "03.png").unlink()
    Image.new("RGB", (9, 9), "black").save(folder / "red" / "new.png")
    second = fresh(folder)
    assert sorted(readings[12:]) == ["red/00.png", "red/new.png"]
    assert second.digest != first.digest
    assert len(second.sound) == 12


def test_within_a_process_a_new_file_is_seen(folder):
    before = index.read(str(folder))
    assert index.read(str(folder)) is before
    Image.new("RGB", (9, 9), "black").save(folder / "red" / "new.png")
    assert len(index.read(str(folder)).sound) == 13


def test_the_digest_names_the_content_and_not_the_place(folder):
    before = fresh(folder).digest
    moved = folder.rename(folder.parent / "moved")
    assert fresh(moved).digest == before
    (moved / "red").rename(moved / "rouge")
    assert fresh(moved).digest != before


def test_the_order_of_files_is_part_of_the_digest(folder):
    before = fresh(folder).digest
    shutil.move(folder / "red" / "00.png", folder / "red" / "99.png")
    assert fresh(folder).digest != before


def test_a_spoilt_index_is_made_anew(folder):
    before = fresh(folder).digest
    file = index._file(folder, labelled=True)
    file.write_text('{"version": 0}\n')
    assert fresh(folder).digest == before


def test_broken_files_are_listed_and_left_out(folder):
    (folder / "red" / "empty.jpg").touch()
    os.truncate(folder / "blue" / "00.png", 60)
    told = fresh(folder)
    assert {entry.place.file for entry in told.broken} == {"red/empty.jpg", "blue/00.png"}
    assert len(told.sound) == 11


def test_duplicates(folder):
    shutil.copy(folder / "red" / "00.png", folder / "blue" / "copy.png")
    entries = fresh(folder).sound
    ((one, other),) = index.duplicates(entries)
    assert {entries[one].place.file, entries[other].place.file} == {"red/00.png", "blue/copy.png"}


def test_other_bytes_of_the_same_pixels_are_duplicates(folder):
    with Image.open(folder / "red" / "00.png") as picture:
        picture.save(folder / "red" / "packed.png", compress_level=1)
        picture.save(folder / "red" / "bitmap.bmp")
        picture.rotate(90, expand=True).save(folder / "red" / "turned.png")
    entries = fresh(folder).sound
    (group,) = index.duplicates(entries)
    assert {entries[i].place.file for i in group} == {"red/00.png", "red/packed.png", "red/bitmap.bmp"}


@pytest.mark.parametrize(
    ("sides", "size"), [((12, 12, 12), 12), ((31, 40, 500), 32), ((300, 640, 480), 224), ((), 224)]
)
def test_the_suggested_size(sides, size):
    entries = [index.Entry(PLACE, reading.Facts("", side, side + 5)) for side in sides]
    assert index.Index(Path(), entries, Counter()).size == size
