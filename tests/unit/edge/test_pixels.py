"""Whatever kind of picture: what a person sees in it is what the student gets."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tutelage.edge.card import Card
from tutelage.edge.pixels import as_input, left_out, pictures_of, read_picture, softmax
from tutelage.errors import UserError

RGB = Card(("a",), (3, 4, 4))
GREY = Card(("a",), (1, 4, 4))
RED, GREEN = (255, 0, 0), (0, 255, 0)


def saved(path: Path, picture: Image.Image, **more) -> Path:
    picture.save(path, **more)
    return path


def mean(pixels: np.ndarray) -> list[float]:
    return pixels.mean((0, 2, 3)).tolist()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [9, 64])
def test_resizing_is_the_one_inside_networks(interpolation, side):
    values = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    pixels = torch.from_numpy(values).permute(2, 0, 1)[None] / 255
    expected = F.interpolate(pixels, (8, 8), mode=interpolation, antialias=True, align_corners=False).clamp(0, 1)
    found = as_input(Image.fromarray(values), Card(("a",), (3, 8, 8), interpolation))
    np.testing.assert_allclose(found, expected.numpy(), atol=1.6 / 255)


def test_a_picture_of_the_right_size_is_not_touched():
    values = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    found = as_input(Image.fromarray(values), RGB)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), values.astype(np.float32) * np.float32(1 / 255))


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (41, 21), (1, 1), (1, 300)])
def test_the_centre_of_any_shape(size):
    picture = Image.new("RGB", size, GREEN)
    found = as_input(picture, RGB)
    assert found.shape == (1, 3, 4, 4)
    assert mean(found) == [0, 1, 0]


def test_the_sides_of_a_wide_picture_are_cut_off():
    picture = Image.new("RGB", (12, 4), RED)
    picture.paste(GREEN, (4, 0, 8, 4))
    assert mean(as_input(picture, RGB)) == [0, 1, 0]


def test_turned_as_the_camera_said(tmp_path):
    picture = Image.new("RGB", (4, 4), RED)
    picture.paste(GREEN, (0, 0, 4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: what is stored above is seen on the right
    found = read_picture(saved(tmp_path / "turned.png", picture, exif=exif), RGB)[0]
    assert found[1, :, 2:].min() == 1
    assert found[0, :, :2].min() == 1


def test_every_mode_shows_its_colours(tmp_path):
    red = Image.new("RGB", (4, 4), RED)
    files = {
        "palette.png": red.convert("P"),
        "cmyk.jpg": Image.new("CMYK", (4, 4), (0, 255, 255, 0)),
        "grey.png": Image.new("L", (4, 4), 51),
        "bits.png": Image.new("1", (4, 4), 1),
        "transparent.png": Image.new("RGBA", (4, 4), (0, 0, 0, 0)),
        "half.png": Image.new("LA", (4, 4), (0, 102)),
    }
    found = {name: mean(read_picture(saved(tmp_path / name, picture), RGB)) for name, picture in files.items()}
    assert found["palette.png"] == [1, 0, 0]
    np.testing.assert_allclose(found["cmyk.jpg"], [1, 0, 0], atol=0.02)
    np.testing.assert_allclose(found["grey.png"], [0.2] * 3, atol=1e-6)
    assert found["bits.png"] == [1, 1, 1]
    assert found["transparent.png"] == [1, 1, 1], "what is transparent is laid on white"
    np.testing.assert_allclose(found["half.png"], [0.6] * 3, atol=1e-6)


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    values = np.full((4, 4), 257 * 51, np.uint16)
    values[0, 0] = 257 * 255
    found = read_picture(saved(tmp_path / "deep.png", Image.fromarray(values)), GREY)[0, 0]
    np.testing.assert_allclose(found[1:], 0.2, atol=1e-6)
    assert found[0, 0] == 1


def test_a_colour_picture_for_a_grey_student(tmp_path):
    found = read_picture(saved(tmp_path / "green.png", Image.new("RGB", (9, 9), GREEN)), GREY)
    assert found.shape == (1, 1, 4, 4)
    np.testing.assert_allclose(mean(found), [0.587], atol=0.003)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    path = saved(tmp_path / "moving.gif", frames[0], save_all=True, append_images=frames[1:])
    assert mean(read_picture(path, RGB)) == [1, 0, 0]


def test_what_is_no_picture_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = saved(tmp_path / "whole.png", Image.fromarray(noise))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:500])
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.jpg").touch()
    for name, said in (("cut.png", "is damaged"), ("text.jpg", "is not a picture"), ("empty.jpg", "is not a picture")):
        with pytest.raises(UserError, match=f"{name} {said}"):
            read_picture(tmp_path / name, RGB)
    with pytest.raises(UserError, match="there is no file"):
        read_picture(tmp_path / "gone.jpg", RGB)
    with pytest.raises(UserError, match="not a plain file but a folder"):
        read_picture(tmp_path, RGB)


def test_a_bomb_is_not_unpacked(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    with pytest.raises(UserError, match="pixels"):
        read_picture(tmp_path / "bomb.png", RGB)


def test_softmax_of_large_logits():
    np.testing.assert_allclose(softmax(np.array([1e4, 1e4, 0])), [0.5, 0.5, 0])


def test_what_a_folder_holds_besides_its_pictures_is_told(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert left_out(tmp_path) == left_out(tmp_path / "a.png") == ""
    (tmp_path / "cat").mkdir()
    (tmp_path / "b.jpg").symlink_to("gone")
    (tmp_path / ".hidden").touch()
    for name in ("list.csv", "note", "x.heic"):
        (tmp_path / name).touch()
    assert pictures_of(tmp_path) == [tmp_path / "a.png", tmp_path / "b.jpg"], "a link to nothing is told, not left out"
    assert left_out(tmp_path).startswith(f"left out of {tmp_path}: cat, list.csv, note and 1 more; ")
