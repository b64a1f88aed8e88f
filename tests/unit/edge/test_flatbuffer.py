"""Flat buffers between pixels and logits; the runtimes themselves are tried in export/test_litert.py."""

import contextlib

import numpy as np
import pytest

from tutelage.edge import card
from tutelage.edge.flatbuffer import Program, Tensor, as_bytes, infer, logits
from tutelage.edge.runtimes import open_file
from tutelage.errors import UserError

SAID = Tensor((1, 3), np.dtype(np.int8), 0.5, -3)


def asked(*shape: int, dtype=np.int8) -> Tensor:
    """An input."""
    return Tensor(shape, np.dtype(dtype), 1 / 255, 0)


def test_bytes_are_those_of_the_picture_channels_last():
    values = np.random.default_rng(0).integers(0, 256, (1, 5, 4, 3), np.uint8)
    pixels = (values / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)
    assert np.array_equal(as_bytes(pixels, np.dtype(np.uint8)), values)
    assert np.array_equal(as_bytes(pixels, np.dtype(np.int8)), (values.astype(int) - 128).astype(np.int8))
    assert np.array_equal(as_bytes(pixels, np.dtype(np.float32)), pixels.transpose(0, 2, 3, 1))


def test_steps_become_logits():
    np.testing.assert_allclose(logits(np.array([[-3, 1, 7]], np.int8), SAID, probabilities=False), [[0, 2, 5]])


def test_probabilities_become_logits_whose_softmax_they_are():
    said = Tensor((1, 3), np.dtype(np.int8), 1 / 256, -128)
    found = logits(np.array([[-128, 0, 0]], np.int8), said, probabilities=True)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.exp(found[0, 1:]), [0.5, 0.5])


def test_an_image_of_another_shape_is_refused(tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"____TFL3")
    program = Program(asked(1, 8, 6, 3), SAID, lambda values: np.zeros((1, 3), np.int8))
    one = infer(program, tmp_path / "a.tflite")
    assert one(np.zeros((1, 3, 8, 6), np.float32)).tolist() == [[1.5] * 3]
    with pytest.raises(UserError, match=r"takes images of \(8, 6, 3\)"):
        one(np.zeros((1, 3, 6, 8), np.float32))


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 10), (2, 8, 8, 3), (1, 8, 8, 2)])
def test_what_is_no_classifier_of_channels_last_is_refused(shape, tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"____TFL3")
    with pytest.raises(UserError, match=r"expected \[1, height, width, channels\]"):
        infer(Program(asked(*shape), SAID, lambda values: values), tmp_path / "a.tflite")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" * 9, b"\x00" * 64])
def test_a_file_that_is_no_flat_buffer_is_refused(content, tmp_path):
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(UserError, match="is not a flat buffer of LiteRT"):
        open_file(tmp_path / "a.tflite")


def test_a_card_at_the_end_of_a_file(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"model")
    assert (card.inside(path), card.starts(path)) == (None, 5)
    plain = {"classes": ["a", "b"], "input": {"shape": [3, 8, 8]}}
    card.append(path, plain)
    assert path.read_bytes().startswith(b"model")
    assert card.plain_inside(path) == plain
    assert card.inside(path) == card.Card(("a", "b"), (3, 8, 8))
    assert card.starts(path) == 5
    (tmp_path / "b.tflite").write_bytes(b"model")
    card.append(tmp_path / "b.tflite", plain)
    assert (tmp_path / "b.tflite").read_bytes() == path.read_bytes(), "the same card is the same bytes"


@pytest.mark.parametrize("place", range(5, 120, 6))
def test_a_damaged_card_is_a_sentence_or_none(place, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"model")
    card.append(path, {"classes": ["a", "b"], "input": {"shape": [3, 8, 8]}})
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert card.plain_inside(path) in (None, {"classes": ["a", "b"], "input": {"shape": [3, 8, 8]}})
