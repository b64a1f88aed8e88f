"""Photos of every kind become what people expect, or are refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tutelage.data import reading
from tutelage.data.places import Place

RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
SMOOTH = RGB.crop((0, 0, 6, 5)).resize((64, 48), Image.Resampling.BICUBIC)


def encoded(image, kind, **more):
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def pixels(data, side=0):
    return np.asarray(reading.decoded(data, side)).astype(int)


def bomb(width, height):
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_keep_every_pixel(kind):
    assert (pixels(encoded(RGB, kind)) == np.asarray(RGB)).all()


def test_cmyk_looks_as_before():
    seen = pixels(encoded(SMOOTH.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(seen - np.asarray(SMOOTH)).mean() < 4


def test_16_bits_become_8():
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
    seen = pixels(encoded(Image.fromarray(values), "PNG"))
    assert (seen == np.rint(values / 257).astype(int)[:, :, None]).all()


def test_grey_palette_and_one_bit_become_rgb():
    grey = RGB.convert("L")
    assert (pixels(encoded(grey, "PNG")) == np.asarray(grey)[:, :, None]).all()
    palette = RGB.quantize(16)
    assert (pixels(encoded(palette, "PNG")) == np.asarray(palette.convert("RGB"))).all()
    one = grey.point(lambda v: 255 * (v > 100), "1")
    assert set(np.unique(pixels(encoded(one, "PNG")))) == {0, 255}


def test_transparency_shows_white():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.putpixel((0, 0), (255, 0, 0, 255))
    seen = pixels(encoded(image, "PNG"))
    assert seen[0, 0].tolist() == [255, 0, 0]
    assert (seen[1:] == 255).all()
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    assert (pixels(encoded(palette, "PNG", transparency=1)) == 255).all()


def test_exif_turns_the_photo():
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = pixels(encoded(RGB, "PNG", exif=exif))
    assert (seen == np.rot90(np.asarray(RGB), -1)).all()


def test_an_animation_shows_its_first_frame():
    first, second = Image.new("P", (8, 8), 0), Image.new("P", (8, 8), 1)
    for image in (first, second):
        image.putpalette([200, 10, 10, 10, 10, 200])
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert pixels(data)[0, 0].tolist() == [200, 10, 10]


def test_a_jpeg_is_decoded_no_larger_than_needed():
    big = SMOOTH.resize((640, 480), Image.Resampling.BICUBIC)
    data = encoded(big, "JPEG", quality=95)
    small = reading.decoded(data, 100)
    assert small.size == (160, 120)
    whole = reading.decoded(data).resize((160, 120), Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello", "not an image of a known format"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>", "HTML"),
        (encoded(RGB, "JPEG")[:-300], "truncated"),
        (encoded(RGB, "PNG")[:-300], "truncated"),
        (encoded(RGB.resize((1, 1)), "PNG"), "only 1 x 1 pixels"),
        (bomb(60_000, 60_000), "a decompression bomb?"),
        (encoded(RGB.convert("F"), "TIFF"), "floating-point"),
        (encoded(RGB, "EPS"), "not an image of a known format"),
        (encoded(RGB.convert("I").point(lambda v: v * 70_000), "TIFF"), "more than 16 bits"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(data, reason, tmp_path):
    with pytest.raises(ValueError) as caught:
        reading.decoded(data)
    assert reason in str(caught.value)
    (tmp_path / "x.jpg").write_bytes(data)
    assert reason in reading.inspect(tmp_path, Place("x.jpg", "", "a", len(data), 0)).broken


def test_a_file_that_is_gone_is_told_as_broken(tmp_path):
    assert reading.inspect(tmp_path, Place("gone.jpg", "", "a", -1, 0)).broken == "No such file or directory"


def test_what_a_file_shows_is_known_by_its_upright_pixels(tmp_path):
    kept = {"a.png": encoded(RGB, "PNG"), "b.bmp": encoded(RGB, "BMP"), "c.png": encoded(RGB.rotate(180), "PNG")}
    for name, data in kept.items():
        (tmp_path / name).write_bytes(data)
    a, b, c = (reading.inspect(tmp_path, Place(name, "", "a", 1, 0)) for name in kept)
    assert a.sha != b.sha
    assert a.shown == b.shown != c.shown
