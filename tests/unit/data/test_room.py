"""Kept photos ask for their space first."""

from types import SimpleNamespace

import pytest

import small
from tutelage import files
from tutelage.data import index
from tutelage.data.store import Decoder, kept
from tutelage.errors import UserError


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "far" / "cache"))
    folder = small.photos(tmp_path / "colours", images=3)
    return Decoder(folder, index.read(str(folder)).sound, side=16, purpose="training")


@pytest.fixture
def disk(monkeypatch):
    about = SimpleNamespace(free=0)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: about)
    return about


def test_photos_that_take_too_much_of_the_disk_are_kept_where_that_is_said(decoder, disk, caplog):
    needed = decoder.bytes_kept
    disk.free = 4 * needed - 1
    with caplog.at_level("INFO"):
        assert kept(decoder, "auto", "decoding train") is decoder
    assert "decoding train anew each time: kept photos would take 3.24 kB of the 13 kB that are free" in caplog.text
    assert "--data.keep file" in caplog.text
    assert not list(files.cache_folder().glob("pixels-*"))
    disk.free = needed
    assert kept(decoder, "file", "decoding train") is not decoder
    disk.free = 0
    assert kept(decoder, "auto", "decoding train") is not decoder, "what is there is used"


def test_a_disk_without_room_is_named_before_anything_is_written(decoder, disk):
    disk.free = decoder.bytes_kept - 1
    with pytest.raises(UserError, match=r"kept photos take 3\.24 kB, and 3\.24 kB are free"):
        kept(decoder, "file", "decoding train")
    assert not list(files.cache_folder().glob("*pixels-*"))


def test_photos_that_take_little_are_kept(decoder, disk):
    disk.free = 4 * decoder.bytes_kept
    assert kept(decoder, "auto", "decoding train") is not decoder
