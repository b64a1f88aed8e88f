"""Recipes as other programs write them, and files that are none: read, or refused in a sentence."""

import json
import os

import pytest

import awkward
from tutelage.errors import UserError
from tutelage.run import plain_values, recipe

TOML = '[data]\nname = "digits"\n[fit]\nepochs = 3\n'
AWKWARD = {
    "UTF-16": ("r.toml", TOML.encode("utf-16"), "r.toml is UTF-16, and UTF-8 is expected"),
    "UTF-16 of JSON without a mark": ("r.json", b'{\0"\0a\0"\0:\x001\0}\0', "is UTF-16, and UTF-8 is expected"),
    "a code page": ("r.toml", b'[data]\nname = "caf\xe9/"\n', "r.toml is not text in UTF-8"),
    "a picture": ("r.toml", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "r.toml is not text in UTF-8"),
    "zeros": ("r.json", bytes(100), "r.json is not text in UTF-8"),
    "nothing": ("r.json", b"", "r.json is not valid JSON"),
    "YAML": ("here/r.yaml", b"data:\n  name: digits\n", "recipes are TOML or JSON, not YAML"),
    "capitals after a folder": ("here/R.TOML", b"seed = 1.5\n", "seed = 1.5 is not a whole number"),
    "no name of data": ("r.toml", b"[data]\nname = ''\n", "data.name is empty"),
    "a list": ("r.json", b"[1, 2]", "a recipe is a table of fields, not [1, 2]"),
    "null": ("r.json", b"null", "a recipe is a table of fields, not None"),
    "a number": ("r.json", b"3", "a recipe is a table of fields, not 3"),
    "a name twice": ("r.json", b'{"seed": 1, "seed": 2}', "'seed' is there twice"),
    "a table twice": ("r.toml", b"[fit]\n[fit]\n", "r.toml is not valid TOML"),
    "NaN": ("r.json", b'{"fit": {"learning_rate": NaN}}', "fit.learning_rate = nan is no number"),
    "infinity": ("r.toml", b"[method]\nname = 'kd'\ntemperature = inf\n", "method.temperature = inf is no number"),
    "NaN in options": ("r.json", b'{"student": {"options": {"a": [NaN]}}}', "student.options.a[0] = nan is no number"),
    "a number of 400 digits": ("r.json", b'{"seed": 1%s}' % (b"0" * 400), "does not fit into 64 bits"),
    "one of 5,000 digits": ("r.json", b'{"seed": 1%s}' % (b"0" * 5000), "r.json is not valid JSON"),
    "a whole number too large for a fraction": (
        *("r.toml", b"[fit]\nlearning_rate = 1" + b"0" * 400),
        "fit.learning_rate = 1000000000",
    ),
    "a number that 32 bits do not hold": (
        *("r.toml", b"[method]\nname = 'kd'\ntemperature = 1e308\n"),
        "method.temperature = 1e+308 does not fit into 32 bits",
    ),
    "names with thousands of dots": ("r.toml", b"a" + b".a" * 3000 + b" = 1\n", "r.toml is nested too deeply"),
    "nested without end": ("r.json", b"[" * 100_000, "r.json is nested too deeply"),
    "nested in TOML": ("r.toml", b"a = " + b"[" * 100_000, "r.toml is nested too deeply"),
    "a number for a name": ("r.toml", b"[method]\nname = 3\n", "method.name = 3 is not text"),
    "a list for a name": ("r.json", b'{"method": {"name": ["kd"]}}', "method.name = ['kd'] is not text"),
    "text for a table": ("r.toml", b'data = "digits"\n', "data = 'digits' is not a table"),
    "a date": ("r.toml", b"seed = 2026-01-01\n", "seed = datetime.date(2026, 1, 1) is neither text nor a number"),
    "a path of Windows": ("r.toml", rb'[data]%sname = "C:\Users\me"' % b"\n", "in single quotes"),
    "one whose backslashes TOML reads": ("r.toml", rb'[data]%sname = "C:\new\test"' % b"\n", "in single quotes"),
    "no field": ("r.toml", b"# mine\n", "r.toml is a recipe without a field"),
    "no field in JSON": ("r.json", b"{}", "r.json is a recipe without a field"),
    "a zero character": ("r.json", b'{"data": {"name": "a\\u0000b"}}', "unknown data set"),
    "a schema of text": ("r.json", b'{"schema": "1"}', "recipe of schema '1'"),
    "a schema of truth": ("r.json", b'{"schema": true}', "recipe of schema True"),
    "tables for teachers": ("r.toml", b"[teachers]\nseed = 1\n", "teachers = {'seed': 1} is not a list"),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_what_is_no_recipe_is_refused_in_a_sentence(kind, tmp_path, capfd, monkeypatch):
    name, data, expected = AWKWARD[kind]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(data)
    text = awkward.said(["train", name], tmp_path, capfd, monkeypatch)
    assert "error: " in text
    assert expected in text, text
    assert len(text) < 600


def test_what_is_no_file(tmp_path, capfd, monkeypatch):
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    assert "folder.toml is a folder" in awkward.said(["train", "folder.toml"], tmp_path, capfd, monkeypatch)
    for name in ("pipe.json", "endless.toml"):
        assert f"{name} is no plain file" in awkward.said(["train", name], tmp_path, capfd, monkeypatch)


@pytest.mark.parametrize("name", ["r.toml", "R.TOML", "recipe.txt"])
@pytest.mark.parametrize("data", [TOML.encode("utf-8-sig"), TOML.replace("\n", "\r\n").encode(), TOML.encode()])
def test_marks_and_ends_of_lines_do_not_matter(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    assert recipe.from_file(tmp_path / name).fit.epochs == 3


def test_json_with_a_mark(tmp_path):
    (tmp_path / "r.JSON").write_bytes(json.dumps({"seed": 7}).encode("utf-8-sig"))
    assert recipe.from_file(tmp_path / "r.JSON").seed == 7


def test_a_field_at_its_default_changes_no_name():
    """The names of recipes before data.splits was a field."""
    from tutelage.run.builtin import built_in

    names = [built_in(name).name for name in ("digits", "fashion_mnist", "tutorial")]
    assert names == [
        "digits-kd-resnet8-s0-7e3022c7",
        "fashion_mnist-kd-convnet-s0-afe7525c",
        "cifar10-kd-convnet-s0-bc1ecd87",
    ]


@pytest.mark.parametrize("plain", [{"a": {"b": [float("inf")]}}, [10**30], {1, 2}])
def test_values_that_no_field_means(plain):
    with pytest.raises(UserError):
        plain_values.check(plain)
