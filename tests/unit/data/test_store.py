"""Decoded photos: the same pixels wherever they are kept."""

import numpy as np
import pytest
import torch
from PIL import Image

import small
from tutelage import files
from tutelage.data import Data, index, photos
from tutelage.data.store import Decoder, kept
from tutelage.errors import UserError


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "cache"))
    folder = small.photos(tmp_path / "colours", images=3, size=(40, 60))
    found = photos.sound(Data(str(folder)))
    return Decoder(folder, found.sound, side=16, purpose="training")


def test_the_same_pixels_wherever_they_are_kept(decoder):
    stores = [kept(decoder, keep, "photos") for keep in ("none", "memory", "file")]
    for position in range(len(decoder.entries)):
        fresh, memory, file = (store(position) for store in stores)
        assert fresh.dtype == torch.uint8
        assert torch.equal(fresh, memory)
        assert torch.equal(fresh, file)


def test_a_photo_keeps_a_margin_for_crops_and_its_ratio(decoder):
    assert decoder(0).shape == (3, 19, 28)  # 1.15 times 16 rounded up; 60 / 40 of it


def test_a_square_is_kept_of_what_is_seen_whole(decoder):
    whole = Decoder(decoder.root, decoder.entries, side=16, purpose="evaluation")
    assert whole(0).shape == (3, 16, 16)
    assert whole.digest != decoder.digest


def test_a_kept_file_is_made_once(decoder, monkeypatch):
    kept(decoder, "file", "photos")
    monkeypatch.setattr(Decoder, "pixels", lambda self, entry: pytest.fail("decoded again"))
    assert kept(decoder, "file", "photos")(2).shape == (3, 19, 28)


def test_nothing_is_left_of_a_file_that_could_not_be_finished(decoder, monkeypatch):
    def broken(self, entry):
        if entry == self.entries[-1]:
            raise UserError("cannot be read now")
        return torch.zeros(3, 19, 28, dtype=torch.uint8)

    monkeypatch.setattr(Decoder, "pixels", broken)
    with pytest.raises(UserError, match="cannot be read now"):
        kept(decoder, "file", "photos")
    assert not list(files.cache_folder().glob("*pixels*"))


def test_a_photo_that_vanished_is_named(decoder):
    (decoder.root / decoder.entries[0].place.file).unlink()
    with pytest.raises(UserError, match="could be read before, and cannot now") as error:
        decoder(0)
    assert "tutelage data check" in error.value.hint


def test_a_small_photo_is_not_enlarged(tmp_path):
    folder = small.photos(tmp_path / "tiny", images=1, size=(7, 9))
    found = photos.sound(Data(str(folder)))
    pixels = Decoder(folder, found.sound, side=32, purpose="training")(0)
    assert pixels.shape == (3, 7, 9)
    assert np.asarray(pixels).max() > 0


@pytest.mark.parametrize("purpose", ["training", "evaluation"])
def test_what_kept_photos_take_is_known_before(tmp_path, purpose, monkeypatch):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path / "cache"))
    for number, (width, height) in enumerate([(50, 40), (300, 90), (90, 301), (17, 19), (8, 60), (40, 40)]):
        folder = tmp_path / "some" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((width, height), 90).save(folder / f"{number}.png")
    decoder = Decoder(tmp_path / "some", index.read(str(tmp_path / "some")).sound, side=32, purpose=purpose)
    kept(decoder, "file", "photos")
    (file,) = files.cache_folder().glob("pixels-*/pixels.bin")
    assert decoder.bytes_kept == file.stat().st_size
