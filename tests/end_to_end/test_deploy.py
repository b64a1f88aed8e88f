"""The examples in examples/deploy say of pictures what `tutelage predict` says, with a student trained here."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import browsing
import small
from tutelage.cli import main
from tutelage.edge.pixels import read_picture
from tutelage.edge.runtimes import open_file
from tutelage.export import export
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.training.loop import train

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "deploy"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    fit = Fit(epochs=3, batch_size=128, learning_rate=0.1)
    recipe = Recipe(student=small.NORMED, augment=small.AUGMENT, fit=fit, views=2)
    done = train(recipe, small.workspace(tmp_path_factory.mktemp("runs")))
    export(done, small.digits(), force=True)
    return done


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Digits as they are and enlarged in colour, beside each other's margins; and one that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(4):
        digit = Image.fromarray(small.digits().val.images[i, 0].numpy())
        digit.save(folder / f"{i}.png")
        wide = Image.new("RGB", (90, 60), (40, 90, 160))
        wide.paste(digit.resize((60, 60), Image.Resampling.BICUBIC), (15, 0))
        wide.save(folder / f"{i}-wide.png")
    return sorted(folder.iterdir())


@pytest.fixture
def expected(run, pictures, capsys):
    main(["predict", str(run.path), *map(str, pictures), "--top", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    return [[(best["class"], best["probability"]) for best in one["top"]] for one in told]


def test_twenty_lines_of_python(run, pictures, expected):
    words = [sys.executable, str(EXAMPLES / "classify.py"), str(run.path / "student.onnx"), *map(str, pictures)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{path} {one[0][0]}" for path, one in zip(pictures, expected)]


def test_a_browser(run, pictures, expected, tmp_path):
    pytest.importorskip("playwright")
    if shutil.which("chromium") is None or not browsing.RUNTIME.is_dir():
        pytest.skip("needs chromium, and onnxruntime-web: make browser")
    (tmp_path / "page").mkdir()
    (tmp_path / "text.png").write_text("not a picture")
    files = [run.path / "student.onnx", run.path / "card.json"]
    with browsing.opened(files, tmp_path / "page") as page:
        found = browsing.answers(page, [*pictures, tmp_path / "text.png"])
    assert "text.png is not a picture" in found.pop()[0][0]
    assert [one[0][0] for one in found] == [one[0][0] for one in expected]
    shares = [[probability for _, probability in one] for one in (*found, *expected)]
    np.testing.assert_allclose(shares[: len(found)], shares[len(found) :], atol=0.02)


def test_a_browser_without_a_student(tmp_path):
    pytest.importorskip("playwright")
    if shutil.which("chromium") is None or not browsing.RUNTIME.is_dir():
        pytest.skip("needs chromium, and onnxruntime-web: make browser")
    with browsing.opened([], tmp_path) as page:
        page.wait_for_selector(".error")
        assert "there is no student.onnx: put student.onnx and card.json" in page.inner_text("#about")


def test_cpp(run, pictures, expected, tmp_path):
    pytest.importorskip("openvino", reason="pip install 'tutelage[openvino]'")
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    program = tmp_path / "classify"
    subprocess.run([EXAMPLES / "cpp" / "build.sh", program], env=os.environ | {"PYTHON": sys.executable}, check=True)
    told = []
    for path in pictures:
        Image.open(path).convert("RGB").save(tmp_path / f"{path.stem}.ppm")
        told.append(f"{tmp_path / path.stem}.ppm")
    words = [program, run.path / "student.onnx", run.path / "card.json", *told]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{path} {one[0][0]}" for path, one in zip(told, expected)]
    student = open_file(run.path / "student.onnx")
    bicubic = dataclasses.replace(student.card(), interpolation="bicubic")
    card = json.loads((run.path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"input": card["input"] | {"interpolation": "bicubic"}}))
    words[2] = tmp_path / "card.json"
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    best = [student.infer(read_picture(path, bicubic))[0].argmax() for path in pictures]
    assert done.stdout.splitlines() == [f"{path} {bicubic.classes[i]}" for path, i in zip(told, best)]
    done = subprocess.run([*words[:3], pictures[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not a binary PPM picture" in done.stderr


def test_the_guide(run, tmp_path, monkeypatch, capsys):
    guide = (Path(__file__).parent.parent.parent / "docs" / "guides" / "device.md").read_text()
    commands = re.findall(r"^\$ tutelage (.*)$", guide, re.MULTILINE)
    # What microcontrollers need is in test_litert.py and test_microcontroller.py.
    elsewhere = ("mcu", "converters", "--fit-in")
    commands = [words for words in commands if not any(word in words for word in elsewhere)]
    assert [words.split()[0] for words in commands] == ["export", "predict", "bench"]
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "drawing.png"):
        Image.new("RGB", (30, 20), "red").save(name)
    for words in commands:
        # Of 144 images two are more than the point that int8 may lose, and processors round differently.
        forced = ["--force"] if words.startswith("export") else []
        main([*words.replace("RUN", str(run.path)).split(), *forced])
    told = capsys.readouterr().out
    for said in ("student-int8.onnx", "photo.jpg: ", "drawing.png: ", "images/s"):
        assert said in told
