"""Names of classes, files and folders that look like markup, code or commands: shown as they are, and never obeyed."""

import html
import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import onnx
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from pages import Reader
from tutelage import files
from tutelage.names import shown
from typing_commands import told_together

NAMES = [
    "[bold red]x[-bold]",
    "[old] coins",
    "<img src=x onerror=alert(1)>",
    "a|b",
    "*bold* _em_ `code`",
    "# heading",
    "&amp; &lt;",
    ":cat: :smile:",
    "{{ 7*7 }}{% raw %}",
    "datum.x + 'y' \"z\"",
    "\x1b[31mred\x1b[0m\x07",
    "two\nlines\r\tand a tab",
    "left\u202eright\u200b",
    os.fsdecode(b"caf\xe9"),
    "\\x1b",
    "${HOME} $(id) %s %(x)s {0}",
]
FOLDER = "[red]photos \x1b[1m<b>"
TINY = '{"widths": [2, 2], "hidden": 4}'


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each command prints on stdout, and where."""
    here = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TUTELAGE_CACHE", str(here / "cache"))
        return here, *commands(here)


def commands(here):
    """Makes the folder and runs the commands."""
    draw = np.random.default_rng(0)
    for kind, name in enumerate(NAMES):
        (here / FOLDER / name).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 60, (12, 12, 3), dtype=np.uint8)
            pixels[..., kind % 3] += 150
            pixels[kind // 3 :: 4] //= 2
            file = NAMES[number] if number else f"{kind}"
            Image.fromarray(pixels).save(here / FOLDER / name / f"{file}.png")
    flags = ["--student", "convnet", "--student.options", TINY, "--teacher", "convnet", "--teacher.options", TINY]
    flags += ["--fit.epochs", "1", "--teacher.fit.epochs", "1", "--views", "1", "--data.size", "8", "--seeds", "0"]
    flags += ["--fit.batch-size", "16", "--teacher.fit.batch-size", "16", "--engine.threads", "1", "--force"]
    flags += ["--data.val-share", "0.25"]
    path = str(here / FOLDER)
    checked, distilled = told_together(
        ("data", "check", path, "--val-share", "0.25"), ("distill", path, *flags), cwd=here
    )
    (study,) = (here / "runs").glob("study-*")
    run = here / "runs" / files.read_json(study / "results.json")["export"]["run"]
    pictures = sorted(str(file) for file in (here / FOLDER).glob("*/*.png"))[:20]
    reported, predicted, as_json = told_together(
        ("report", str(study)), ("predict", str(run), *pictures), ("predict", str(run), *pictures, "--json"), cwd=here
    )
    return study, run, pictures, checked, distilled, reported, predicted, json.loads(as_json)


def visible(text: str) -> bool:
    return all(c in "\n" or unicodedata.category(c)[0] != "C" for c in text)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_data_check_prints_every_name(said, name):
    rows = said[4].splitlines()
    assert any(row.startswith(f"{shown(name)} ") and row.split()[-3:] != [] for row in rows), said[4]


def test_nothing_on_the_terminal_is_obeyed(said):
    for text in (*said[4:8],):
        assert visible(text)
    assert shown(FOLDER) in said[6], "the report's place"


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_model_card_shows_every_name_letter_by_letter(said, name):
    text = (said[2] / "README.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    assert visible(text)
    tokens = [child for token in MarkdownIt().enable("table").parse(text) for child in token.children or ()]
    assert not [token for token in tokens if token.type in ("html_inline", "link_open", "image", "em_open")]
    plain = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
    assert shown(name) in plain


def test_the_card_s_head_can_be_read(said):
    from huggingface_hub import ModelCard

    card = ModelCard.load(said[2] / "README.md")
    assert card.data.model_name == shown(said[2].name)
    assert {one.dataset_name for one in card.data.eval_results} == {shown(FOLDER)}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_report_and_its_charts_show_every_name(said, name):
    source = (said[1] / "report.html").read_text(encoding="utf-8")
    read = Reader(source)
    assert visible(read.text)
    assert shown(name) in read.text
    allowed = ("data:image/png;base64,",)
    assert all(attributes.get("src", "").startswith(allowed) for tag, attributes in read.tags if tag == "img")
    assert not [attributes for _, attributes in read.tags if any(key.startswith("on") for key in attributes)]
    drawn = re.findall(r'aria-label="([^"]*)"', source)
    assert any(html.unescape(label).startswith(f"{shown(name)}, ") for label in drawn), "the chart of classes"


def test_the_exported_file_holds_the_names_themselves(said):
    model = onnx.load(said[2] / "student.onnx")
    card = json.loads(next(one.value for one in model.metadata_props if one.key == "tutelage"))
    assert card["classes"] == sorted(NAMES)
    assert files.read_json(said[2] / "card.json")["classes"] == sorted(NAMES)


def test_predict_names_pictures_and_classes(said):
    *_, pictures, _, _, _, predicted, as_json = said
    assert [one["file"] for one in as_json] == pictures
    assert {one["top"][0]["class"] for one in as_json} <= set(NAMES)
    lines = predicted.splitlines()
    assert len(lines) == len(pictures)
    for line, one in zip(lines, as_json, strict=True):
        assert line.startswith(f"{shown(one['file'])}: {shown(one['top'][0]['class'])} ")


def test_mistakes_name_them_too(said, capfd):
    from tutelage.cli import main

    with pytest.raises(SystemExit):
        main(["data", "check", str(Path(said[0]) / "gone \x1b[31m[/red]\ud800")])
    assert "gone \\x1b[31m[/red]" in capfd.readouterr().err
