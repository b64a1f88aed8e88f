"""`tutelage predict` and `tutelage bench`, as typed on a machine that has no PyTorch."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

import pictures
from tutelage.cli import device, main

ABSENT = ("torch", "torchvision", "rich", "tyro", "sklearn", "scipy", "onnx", "jaxtyping", "safetensors")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures.student(tmp_path / "student.onnx")
    for colour in ("red", "blue"):
        Image.new("RGB", (50, 30), colour).save(tmp_path / f"{colour}.png")
    return tmp_path


def without(absent: tuple[str, ...], *words: str, cwd: Path) -> subprocess.CompletedProcess:
    """A command in a process in which these packages cannot be imported."""
    code = f"import sys\nfor name in {absent!r}: sys.modules[name] = None\n"
    code += f"from tutelage.cli import main\nmain({list(words)!r})"
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=os.environ, capture_output=True, text=True)


def test_predicts_without_torch(folder):
    done = without(ABSENT, "predict", "student.onnx", "red.png", "blue.png", "--top", "2", cwd=folder)
    assert done.stderr == ""
    assert done.stdout == "red.png: red 100.0 %, green 0.0 %\nblue.png: blue 100.0 %, red 0.0 %\n"


def test_as_json(folder, capsys):
    main(["predict", "student.onnx", "red.png", "--json", "--top", "9"])
    (one,) = json.loads(capsys.readouterr().out)
    assert one["file"] == "red.png"
    assert [best["class"] for best in one["top"]] == ["red", "green", "blue"]
    assert one["top"][0] == {"class": "red", "probability": 0.9999}


def test_a_broken_picture_is_named_and_the_others_go_on(folder, capsys):
    (folder / "broken.png").write_bytes((folder / "red.png").read_bytes()[:60])
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "student.onnx", "broken.png", "gone.png", "blue.png"])
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == "blue.png: blue 100.0 %\n"
    assert "error: broken.png is " in err
    assert "error: there is no file gone.png\n" in err
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "student.onnx", "broken.png", "blue.png", "--json"])
    broken, blue = json.loads(capsys.readouterr().out)
    assert "broken.png is " in broken["error"]
    assert blue["top"][0]["class"] == "blue"


def test_the_card_may_lie_beside(folder, capsys):
    pictures.student(folder / "bare.onnx", card=None)
    (folder / "card.json").write_text(json.dumps(pictures.CARD))
    main(["predict", "bare.onnx", "red.png"])
    assert capsys.readouterr().out == "red.png: red 100.0 %\n"


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["bare.onnx", "red.png"], "bare.onnx does not say its classes and its input's size", "copy card.json"),
        (["half.onnx", "red.png"], "half.onnx's metadata lacks input.shape", "tutelage export RUN writes it whole"),
        (["text.onnx", "red.png"], "text.onnx is not an ONNX file that can be run", "tutelage export RUN"),
        (["gone.onnx", "red.png"], "there is no file gone.onnx", "tutelage export RUN"),
        (
            ["red.png", "bare.onnx"],
            "red.png is no exported student",
            "the file comes first: tutelage predict bare.onnx",
        ),
        (["red.png", "red.png"], "red.png is of no kind that can be run", ".onnx"),
        (["student.onnx", "red.png", "--top", "0"], "--top 0", "1 or more"),
        ([".", "blue.png", "--top", "-1"], "--top -1", "1 or more"),
    ],
)
def test_a_mistake_is_told(folder, capsys, words, said, hint):
    pictures.student(folder / "bare.onnx", card=None)
    pictures.student(folder / "half.onnx", card={"classes": ["a"]})
    (folder / "text.onnx").write_text("hello")
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *words])
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert said in err
    assert hint in err.partition("hint: ")[2]


@pytest.mark.parametrize(("package", "module"), [("onnxruntime", "onnxruntime"), ("pillow", "PIL")])
def test_a_package_that_is_missing_is_named(folder, package, module):
    done = without((module,), "predict", "student.onnx", "red.png", cwd=folder)
    assert done.returncode == 2
    assert "not installed" in done.stderr or "needs onnxruntime to run" in done.stderr
    assert package in done.stderr.partition("hint: ")[2]


def test_bench_of_files_needs_no_torch(folder):
    pictures.student(folder / "other.onnx")
    words = ("bench", "student.onnx", "other.onnx", "--rounds", "2", "--batch", "4", "--json")
    done = without(ABSENT, *words, cwd=folder)
    assert done.stderr == ""
    one, other = json.loads(done.stdout)
    assert (one["name"], other["name"]) == ("student.onnx", "other.onnx")
    for row in (one, other):
        assert row["bytes"] == (folder / row["file"]).stat().st_size
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p90"]
        assert row["images_per_second"] > 0
        assert 0 <= row["file_bytes"] < row["peak_bytes"]
        assert row["pareto"] is None, "the accuracy is not known"


EDGE = Path(__file__).parents[3] / "packaging" / "edge"


@pytest.fixture
def edge(tmp_path):
    """What tutelage-edge installs: the files that its pyproject.toml names."""
    made = tomllib.loads((EDGE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    site = tmp_path / "site"
    for source, target in made["force-include"].items():
        (site / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (EDGE / source).is_dir() else shutil.copy
        copy(EDGE / source, site / target)
    return site


def installed(site, *words, absent=ABSENT, cwd):
    """A command of tutelage-edge, where only its own packages are installed."""
    code = f"import sys\nsys.path.insert(0, {str(site)!r})\nfor name in {absent!r}: sys.modules[name] = None\n"
    code += f"from tutelage import cli\nassert cli.__file__.startswith({str(site)!r})\ncli.main({list(words)!r})"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)


def test_the_small_distribution_predicts_and_measures(folder, edge):
    absent = (*ABSENT, "filelock", "timm", "lightning_fabric", "huggingface_hub", "altair")
    done = installed(edge, "predict", "student.onnx", "red.png", absent=absent, cwd=folder)
    assert (done.stdout, done.stderr) == ("red.png: red 100.0 %\n", "")
    done = installed(edge, "bench", "student.onnx", "--rounds", "2", absent=absent, cwd=folder)
    assert "student.onnx" in done.stdout, done.stderr
    assert installed(edge, "--version", absent=absent, cwd=folder).stdout.startswith("tutelage ")


@pytest.mark.parametrize("words", [("distill", "digits"), ("list", "models"), ("export", "runs/x")])
def test_the_small_distribution_says_what_it_is_not(words, folder, edge):
    done = installed(edge, *words, cwd=folder)
    assert done.returncode == 2
    assert f"tutelage {words[0]} is not part of tutelage-edge" in done.stderr
    assert "pip install tutelage" in done.stderr


def test_a_command_whose_package_is_missing_names_it(folder):
    done = without(("tyro",), "train", "digits", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: tutelage train needs tyro, which is not installed here")


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (18, ["file  size", "a     1 kB", "bb    2 kB"]),
        (10, ["file  size", "a     1 kB", "bb    2 kB"]),
        (9, ["file  a     bb", "size  1 kB  2 kB"]),
    ],
)
def test_a_table_that_is_too_long_has_a_line_for_each_heading(width, lines, monkeypatch):
    monkeypatch.setattr(device, "terminal_columns", lambda: width)
    columns = {"file": lambda row: row["name"], "size": lambda row: f"{row['kilobytes']} kB"}
    assert device.table(columns, [{"name": "a", "kilobytes": 1}, {"name": "bb", "kilobytes": 2}]) == lines
