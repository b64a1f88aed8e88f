"""16 bits in 8 by one rule, in training and in `predict`; pictures that attack are refused by their names."""

import io
import json
import os
import socket
import struct
import tarfile
import threading
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import awkward
import fuzz_pictures
from tutelage.data import facts, index, reading, rows
from tutelage.data.places import Place
from tutelage.edge.card import Card
from tutelage.edge.pixels import read_picture
from tutelage.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # pytest undoes the package's own filter
GREY, COLOUR = Card(("a",), (1, 8, 8)), Card(("a",), (3, 8, 8))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png16(values, colour):
    """A PNG of 16 bits a channel: colour 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff16(values):
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, "TIFF")
    return file.getvalue()


def ramp(full):
    """64 values up to `full`, evenly."""
    return np.rint(np.linspace(0, full, 64)).reshape(8, 8).astype(np.uint16)


EVENLY = np.rint(np.linspace(0, 255, 64)).reshape(8, 8)
PGM = {full: f"P5 8 8 {full}\n".encode() for full in (4095, 65535)}
DEEP = {
    "12 bits, PNG": (png16(ramp(4095), 0), 1),
    "12 bits, TIFF": (tiff16(ramp(4095)), 1),
    "10 bits": (png16(ramp(1023), 0), 1),
    "14 bits": (tiff16(ramp(16383)), 1),
    "8 bits in 16": (png16(ramp(255), 0), 1),
    "16 bits": (png16(ramp(65535), 0), 1),
    "16 bits, the largest missing": (png16(ramp(65000), 0), 1),
    "12 bits, PGM that says so": (PGM[4095] + ramp(4095).astype(">u2").tobytes(), 1),
    "12 bits, PGM that does not": (PGM[65535] + ramp(4095).astype(">u2").tobytes(), 1),
    "a dark PGM that says its range": (PGM[4095] + ramp(1000).astype(">u2").tobytes(), 1000 / 4095),
    "nothing but black": (png16(ramp(0), 0), 0),
    "12 bits of colour": (png16(np.repeat(ramp(4095)[:, :, None], 3, 2), 2), None),
    "12 bits of colour and alpha": (png16(np.dstack([ramp(4095)] * 3 + [ramp(65535)]), 6), None),
    "12 bits of grey and alpha": (png16(np.dstack([ramp(4095), np.full((8, 8), 65535)]), 4), None),
    "16 bits of colour": (png16(np.repeat(ramp(65535)[:, :, None], 3, 2), 2), 1),
}
"""What a file shows: the share of the brightest, or None where it is refused."""


@pytest.mark.parametrize("kind", DEEP)
def test_16_bits_are_never_black_without_a_word_and_the_same_everywhere(kind, tmp_path):
    data, bright = DEEP[kind]
    file = tmp_path / "x.tif"
    file.write_bytes(data)
    facts = reading.inspect(tmp_path, Place(file.name, "", "a", len(data), 0))
    if bright is None:
        assert "which would show black" in facts.broken
        with pytest.raises(UserError, match="which would show black"):
            read_picture(file, COLOUR)
        return
    assert not facts.broken
    seen = np.asarray(reading.decoded(data)).astype(int)
    assert np.abs(seen - EVENLY[:, :, None] * bright).max() <= 2
    np.testing.assert_allclose(read_picture(file, COLOUR)[0].transpose(1, 2, 0) * 255, seen, atol=1e-3)
    np.testing.assert_allclose(read_picture(file, GREY)[0, 0] * 255, seen[:, :, 0], atol=1)


def test_all_values_of_16_bits_round_to_the_nearest():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    seen = np.asarray(reading.decoded(png16(values, 0)))[:, :, 0]
    assert (seen == np.rint(values / 257).astype(int)).all()


def test_scaled_pictures_are_counted_and_have_another_identity(tmp_path, capfd, monkeypatch):
    awkward.folder(tmp_path / "set", "cat", "dog", images=12)
    for number in range(3):
        (tmp_path / f"set/cat/deep{number}.png").write_bytes(png16(ramp(4095) + np.uint16(0), 0) + bytes([number]))
    text = awkward.said(["data", "check", "./set"], tmp_path, capfd, monkeypatch)
    assert "16-bit pictures whose values need fewer bits, scaled by these: 12 bits 3" in text
    assert reading.Facts("sha", bits=16).pixels == reading.Facts("sha").pixels == "sha"
    assert reading.Facts("sha", bits=12).pixels != "sha"
    shown = [rows.Entry(Place("x", "", "a", 1, 0), reading.Facts("5a" * 32, bits=bits)) for bits in (0, 12, 16)]
    eight, twelve, sixteen = (index.Index(tmp_path, facts.of([entry]), Counter()).digest for entry in shown)
    assert eight == sixteen != twelve


def ifd(*entries):
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def jpeg(exif=b""):
    file = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8))
    image.save(file, "JPEG", exif=exif)
    return file.getvalue()


def text_in_png(size):
    picture = png16(ramp(9), 0)
    return picture[:33] + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(size))) + picture[33:]


TURN = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)


def put(make):
    """The picture's file is made of what `make` returns."""
    return lambda path: path.write_bytes(make())


def listens(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)
        one.bind(path.name)
        os.chdir(here)


def endless(path):
    path.symlink_to(path.name)


def circle(path):
    path.symlink_to("other.jpg")
    (path.parent / "other.jpg").symlink_to(path.name)


def sparse(path):
    path.touch()
    os.truncate(path, 1 << 40)


ATTACKS = {
    "a malformed entry beside an orientation": (
        put(lambda: jpeg(b"Exif\0\0" + ifd(TURN, struct.pack("<HHI", 0x111, 7, 1) + bytes((26, 60, 2, 2))))),
        "",
    ),
    "an orientation of text": (
        put(lambda: jpeg(b"Exif\0\0" + ifd(struct.pack("<HHI4s", 0x112, 2, 4, b"6\0\0\0")))),
        "",
    ),
    "EXIF cut short": (put(lambda: jpeg(b"Exif\0\0II*\0\x08\0")), None),
    "EXIF that points to itself": (put(lambda: jpeg(b"Exif\0\0" + ifd(TURN)[:-4] + b"\x08\0\0\0")), None),
    "a pipe": (os.mkfifo, "a FIFO"),
    "a link to a pipe": (lambda path: (os.mkfifo(path.parent / "pipe"), path.symlink_to("pipe")), "a FIFO"),
    "a socket": (listens, "a socket"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "an endless device of noise": (lambda path: path.symlink_to("/dev/urandom"), "a device"),
    "a link to itself": (endless, "symbolic links"),
    "links in a circle": (circle, "symbolic links"),
    "a file of a terabyte of nothing": (sparse, "more than 1 GiB"),
    "nothing": (put(bytes), "the file is empty"),
    "a program's page": (put(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not an image"),
    "zeros": (put(lambda: bytes(5000)), "not an image"),
    "PNG text that unpacks to 80 megabytes": (put(lambda: text_in_png(80_000_000)), None),
}
"""What is written for the file, and what of its reason is said; "": it is used; None: either."""


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attack_is_named_and_ends_at_once(kind, tmp_path, capfd, monkeypatch):
    awkward.folder(tmp_path / "set", "cat", "dog", images=12)
    make, reason = ATTACKS[kind]
    make(tmp_path / "set/cat/x.jpg")
    done = []
    watch = threading.Timer(20, lambda: done or os._exit(3))
    watch.daemon = True
    watch.start()
    text = awkward.said(["data", "check", "./set"], tmp_path, capfd, monkeypatch)
    done.append(True)
    watch.cancel()
    if reason is not None:
        line = next((line for line in text.splitlines() if "x.jpg: " in line), "")
        assert (reason in line and "x.jpg" in line) if reason else "cannot be used" not in text, text
    if reason:
        with pytest.raises(UserError, match=r"x\.jpg"):
            read_picture(tmp_path / "set/cat/x.jpg", COLOUR)


def test_a_decoder_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "PATIENCE_S", 0.05)
    forever = threading.Event()
    monkeypatch.setattr(reading, "_facts", lambda sha, data: reading.Facts(str(forever.wait(20))))
    awkward.picture(tmp_path / "x.png")
    facts = reading.inspect(tmp_path, Place("x.png", "", "a", 1, 0))
    forever.set()
    assert facts.broken == "decoding takes more than 0.05 s"


@pytest.mark.parametrize("error", [MemoryError, SyntaxError, TypeError, struct.error, RecursionError, IndexError])
def test_whatever_pillow_raises_is_a_broken_file(error, tmp_path, monkeypatch):
    Image.new("L", (24, 24), 90).save(tmp_path / "x.png")  # grey: its mode is converted

    def fail(*_):
        raise error

    for target in ("PIL.ImageFile.ImageFile.load", "PIL.Image.Image.getexif", "PIL.Image.Image.convert"):
        with monkeypatch.context() as spoilt:
            spoilt.setattr(target, fail)
            told = reading.inspect(tmp_path, Place("x.png", "", "a", 1, 0))
            assert told.broken == error.__name__
            if "convert" not in target:
                with pytest.raises(UserError, match=f"x.png is damaged: {error.__name__}"):
                    read_picture(tmp_path / "x.png", COLOUR)


def shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info, io.BytesIO(data or b""))


def test_a_member_of_a_tar_file_ends_where_it_ends(tmp_path):
    """An empty one is broken, not the whole tar file; one that says it is larger than the file is read to its end."""
    from tutelage.data import places

    picture = awkward.picture(tmp_path / "a.png").read_bytes()
    shard(tmp_path / "t.tar", {"0.png": b"", "0.cls": b"cat", "1.png": picture, "1.cls": b"cat"})
    told = places.listing(tmp_path / "t.tar").places
    assert [reading.inspect(tmp_path, place).broken for place in told] == ["the file is empty", ""]
    assert not reading.inspect(tmp_path, told[1]._replace(length=1 << 62)).broken


def test_links_in_a_tar_file_are_left_out_with_a_word(tmp_path):
    from tutelage.data import places

    shard(tmp_path / "t.tar", {"1.png": b"picture", "1.cls": b"cat", "2.png": None})
    told = places.listing(tmp_path / "t.tar")
    assert len(told.places) == 1
    assert told.notes == ["1 picture of t.tar left out: links and sparse files; pack them as plain files"]


@pytest.mark.parametrize("first", range(0, 500, 100))
def test_damaged_files_of_ten_formats(first, tmp_path):
    for number in range(first, first + 100):
        kind, damage, data = fuzz_pictures.damaged(number)
        told = fuzz_pictures.verdict(data, tmp_path)
        assert told in ("sound", "refused"), (number, kind, damage, told)


def test_the_table_of_the_page_is_what_was_measured():
    page = (fuzz_pictures.RESULT.parent / "awkward.md").read_text()
    assert fuzz_pictures.table(json.loads(fuzz_pictures.RESULT.read_text())) in page
