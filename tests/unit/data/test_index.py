"""Every file is read once; what is known of it is known by its content."""

import errno
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import small
from tutelage.data import Data, facts, index, photos, reading, rows
from tutelage.data.places import Place
from tutelage.data.store import Decoder
from tutelage.errors import UserError

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
    entries = [rows.Entry(PLACE, reading.Facts("", side, side + 5)) for side in sides]
    assert index.Index(Path(), facts.of(entries), Counter()).size == size


def by_headers(path, **more):
    index._latest.clear()
    return index.read(str(path), look="headers", **more)


@pytest.fixture
def jpegs(tmp_path):
    """Noise, so that files are longer than what a glance reads."""
    draw = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / "noise" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (160, 200, 3), dtype=np.uint8)).save(path, quality=90)
    return tmp_path / "noise"


def test_headers_tell_sizes_and_names_without_the_rest_of_a_file(jpegs, monkeypatch):
    monkeypatch.setattr(reading, "content", lambda root, place: pytest.fail("read whole"))
    found = by_headers(jpegs)
    assert {(entry.facts.width, entry.facts.height, entry.facts.format) for entry in found.sound} == {
        (200, 160, "JPEG")
    }
    assert all(entry.facts.glanced for entry in found.sound)
    assert by_headers(jpegs).digest == found.digest, "known ones are compared by a glance too"


@pytest.mark.parametrize("at", [10_000, -100])
def test_a_glance_sees_that_a_file_of_the_same_size_and_time_is_another(jpegs, at):
    before, one = by_headers(jpegs).digest, jpegs / "a" / "0.jpg"
    assert one.stat().st_size > reading.HEAD + reading.TAIL
    about, content = one.stat(), bytearray(one.read_bytes())
    content[at] ^= 1
    one.write_bytes(content)
    os.utime(one, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert by_headers(jpegs).digest != before


def test_of_many_images_the_headers_are_read_and_a_sentence_says_so(folder, monkeypatch):
    whole = fresh(folder)
    assert not whole.notes
    monkeypatch.setattr(index, "MANY", 11)
    few = fresh(folder)
    assert few.headers
    assert "12 photos, of which the headers were read" in few.notes[-1]
    assert few.digest == by_headers(folder).digest != whole.digest
    index._latest.clear()
    assert index.read(str(folder), look="whole").digest == whole.digest


def test_what_has_no_header_that_says_enough_is_read_whole(folder):
    with Image.open(folder / "red" / "00.png") as picture:
        picture.save(folder / "red" / "flat.bmp")
    Image.fromarray(np.full((9, 9), 900, np.uint16)).save(folder / "red" / "deep.png")
    (folder / "red" / "text.png").write_text("no picture")
    found = {Path(entry.place.file).name: entry.facts for entry in by_headers(folder).rows}
    assert [name for name, facts in found.items() if facts.shown] == ["deep.png", "flat.bmp"]
    assert found["deep.png"].bits == 10
    assert found["text.png"].broken == "not an image of a known format"
    assert found["00.png"].glanced


def test_a_truncated_photo_is_named_when_it_is_shown(jpegs):
    os.truncate(jpegs / "a" / "0.jpg", 9_000)
    found = by_headers(jpegs)
    assert len(found.sound) == 6
    decoder = Decoder(jpegs, found.sound, side=16, purpose="training")
    with pytest.raises(UserError, match=r"a/0.jpg, of which the header alone was read, cannot be shown: .*truncated"):
        decoder(0)
    assert decoder(1).shape[0] == 3


def test_copies_and_unlabelled_images_are_known_by_headers_too(jpegs, tmp_path):
    shutil.copy(jpegs / "a" / "0.jpg", jpegs / "b" / "copy.jpg")
    more = tmp_path / "more" / "x"
    more.mkdir(parents=True)
    shutil.copy(jpegs / "b" / "1.jpg", more)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(more / "new.jpg")
    asked = Data(str(jpegs), look="headers", unlabeled=str(more))
    found = index.of(asked)
    ((one, other),) = index.duplicates(found.sound)
    assert {found.sound[one].place.file, found.sound[other].place.file} == {"a/0.jpg", "b/copy.jpg"}
    assert [entry.place.file for entry in photos.unlabeled(found, asked)] == [str(more / "new.jpg")]


@pytest.mark.parametrize(("number", "way"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "that can be written")])
def test_an_index_that_cannot_be_written_is_told_with_a_way_out(tmp_path, monkeypatch, number, way):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(index.rowfile, "write", fail)
    with pytest.raises(UserError, match="cannot write the index") as error:
        index.read(str(small.photos(tmp_path / "photos", images=2)))
    assert way in error.value.hint
