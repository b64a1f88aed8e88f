"""The card of an exported file: read from JSON, refused with what is missing."""

import json

import pytest

from tutelage.edge import card
from tutelage.edge.card import Card
from tutelage.errors import UserError

PLAIN = {"classes": ["cat", "dog"], "input": {"shape": [3, 32, 24], "interpolation": "bicubic"}}


def test_a_card_is_read_from_its_plain_form():
    assert Card.of(PLAIN, "here") == Card(("cat", "dog"), (3, 32, 24), "bicubic")
    assert Card.of({"classes": [0, 1], "input": {"shape": [1, 8, 8]}}, "here") == Card(("0", "1"), (1, 8, 8))


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "here lacks classes and input.shape"),
        ([], "here lacks classes and input.shape"),
        ({"classes": ["a"]}, "here lacks input.shape"),
        (PLAIN | {"input": {"shape": [2, 8, 8]}}, "input of shape"),
        (PLAIN | {"input": {"shape": [3, 8]}}, "input of shape"),
        (PLAIN | {"input": {"shape": [3, 8, 8], "interpolation": "nearest"}}, "by nearest interpolation"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(plain, message):
    with pytest.raises(UserError, match=message):
        Card.of(plain, "here")


def test_the_card_beside_a_file(tmp_path):
    with pytest.raises(UserError, match=r"there is no card\.json beside it"):
        card.beside(tmp_path / "student.onnx")
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(UserError, match=r"card\.json is damaged: it is not JSON"):
        card.beside(tmp_path / "student.onnx")
    (tmp_path / "card.json").write_text(json.dumps(PLAIN))
    assert card.beside(tmp_path / "student.onnx").classes == ("cat", "dog")


def test_what_is_written_for_an_input_is_what_is_read():
    written = card.for_input(3, 32, 24, "bilinear")
    assert Card.of({"classes": ["a"], "input": written}, "here").shape == (3, 32, 24)
    assert written["crop"] == "the largest centred part of 24:32"
    assert card.for_input(1, 8, 8, "bilinear")["colours"] == "grey"
    assert card.for_input(1, 8, 8, "bilinear")["crop"] == "the largest centred square"
