"""Every `$ tutelage ...` line of README and docs: the cheap ones run, of the long ones recipe and flags are read.

Pages of results are left out: they are screens of the past.
"""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tutelage.cli import COMMANDS, flags, main
from tutelage.run.builtin import RECIPES

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "results")]
LONG = {"distill": flags.DistillFlags, "train": flags.TrainFlags, "check": flags.TrainFlags, "tune": flags.TuneFlags}
SMALLER = ["--data.part", "200", "--fit.epochs", "1", "--teacher.fit.epochs", "1", "--engine.threads", "1"]
"""Added to a line that trains on the digits: as it is typed, only shorter."""


def lines() -> list[list[str]]:
    """Their words, without comments, redirections and what stands for something of the reader's."""
    found = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"^\$ tutelage (.*)$", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            found.append(words[: words.index(">")] if ">" in words else words)
    shown = [words for words in found if not words[0].startswith("-") and not any("HASH" in word for word in words)]
    return [words for position, words in enumerate(shown) if words not in shown[:position]]


def ids(words: list[str]) -> str:
    return " ".join(words)[:60]


@pytest.mark.parametrize("words", lines(), ids=ids)
def test_a_line_of_a_page_is_a_command(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.setattr("tutelage.models.building.check_file", lambda model, channels: None)  # the files are empty
    for word in words:
        if word.endswith(".safetensors"):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    assert words[0] in COMMANDS
    if words[0] in LONG and words[1] in RECIPES:
        # tune and distill take several methods, each of which is one by itself.
        methods = words[2].split(",") if words[2:3] and words[2][0] != "-" else []
        for method in methods or [None]:
            assert flags.parsed(
                LONG[words[0]], words[0], [words[1], *filter(None, [method]), *words[2 + bool(methods) :]]
            ).recipe
    elif words[0] in ("list", "explain", "recipe") or words[:2] == ["cache", "list"]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            main(words)
        assert out.getvalue()


def test_lines_about_the_digits_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    chosen = [words for words in lines() if words[0] in LONG and words[1:2] == ["digits"]]
    assert chosen
    for words in chosen:
        main([*words, *SMALLER])
    assert list(tmp_path.glob("runs/*/DONE"))


def block(page: str, holding: str) -> str:
    """The Python of a page of the guides that holds some words."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "guides" / page).read_text(), re.DOTALL | re.MULTILINE
    )
    (found,) = [code for code in blocks if holding in code]
    return found


def test_the_network_of_the_guide_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_network.py").write_text(block("own-network.md", "class MyNetwork"))
    main(["train", "digits", "--student", "my_network.py:MyNetwork", *SMALLER])
    stages = ["--student.stages", "layer1", "layer2"]
    main(["train", "digits", "fitnet", "--student", "my_network.py:MyNetwork", *stages, *SMALLER])
    assert len(list(tmp_path.glob("runs/digits-*MyNetwork*/DONE"))) == 2


def test_the_pictures_of_the_guide_are_a_folder_that_commands_take(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUTELAGE_CACHE", str(tmp_path))
    draw = np.random.default_rng(0)
    pictures, test_pictures = (draw.integers(0, 256, (n, 8, 8, 3), np.uint8) for n in (40, 10))
    names = {"pictures": pictures, "labels": [0, 1] * 20, "test_pictures": test_pictures, "test_labels": [0, 1] * 5}
    exec(block("notebooks.md", "Data.of"), names)
    main(["data", "check", names["data"].name])
    assert re.search(r"^all +36 +4 +10$", capsys.readouterr().out, re.MULTILINE)
