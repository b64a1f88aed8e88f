"""From a folder of photos to a report, as a user types it."""

import json
import re
import shlex
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import data
from tutelage.cli import flags, main
from tutelage.data import Data, index
from tutelage.errors import UserError
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.training import predictions
from tutelage.training.loop import train
from typing_commands import command, told, told_together

STUDENT = ("--student", "convnet", "--student.options", '{"widths": [4, 8], "hidden": 8}')
BUDGET = ("--views", "2", "--fit.epochs", "2", "--fit.batch-size", "16", "--data.size", "8", "--engine.threads", "1")
TINY = (
    *STUDENT,
    *(
        "--teacher",
        "convnet",
        "--teacher.options",
        '{"widths": [8, 8], "hidden": 8}',
        "--teacher.fit.epochs",
        "1",
        "--teacher.fit.batch-size",
        "16",
    ),
    *BUDGET,
)
SHORT = Fit(epochs=2, batch_size=16, learning_rate=0.05)


@pytest.fixture
def here(tmp_path):
    small.photos(tmp_path / "colours")
    return tmp_path


def test_check_then_distill(here):
    shutil.copy(here / "colours" / "red" / "00.png", here / "colours" / "red" / "copy.png")
    (here / "colours" / "red" / "notes.txt").touch()
    seen = json.loads(told("data", "check", "colours", "--json", cwd=here))
    assert seen["images"] == 61
    assert seen["suggested_size"] == 10
    assert seen["left_out"] == {".txt": 1}
    assert seen["duplicates"]["groups"][0][0].endswith("red/00.png")
    shown = told("data", "check", "colours/", cwd=here)
    assert "shorter side 10 to 10 pixels" in shown
    process = command("distill", "colours", *TINY, "--seeds", "0", "--folds", "3", "--force", cwd=here)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "44 training images of 3 classes, 14 of the smallest; set by that" in err
    assert "--teacher.fit.batch_size" not in err
    assert "few photos: 14 training images of the smallest class (20 or more are safer), 5 of validation" in err
    assert "study-colours-kd-convnet" in out
    assert re.search(r"cross-validated on 49 images, 3 folds: baseline \d+\.\d % .*; kd .* points \(-?\d", out)
    assert "report:" in out
    (study,) = (here / "runs").glob("study-*")
    results = json.loads((study / "results.json").read_text())
    assert results["data"]["classes"] == ["blue", "green", "red"]
    assert [len(row["top1"]) for row in results["folds"]["rows"]] == [3, 3]
    assert (results["data"]["train"], results["data"]["val"]) == (44, 5)
    assert results["rows"][1]["seeds"][0]["test"]["images"] == 12
    assert results["test_openings"]["all"] == 1
    assert results["leakage"]["test"] == {"images": 12, "copies": 0, "near": 0}
    clean = "eakage: none of 12 test and 5 validation images has a copy or a near copy in training"
    (card,) = (here / "runs").glob("*/README.md")
    assert clean in out
    for written in (card, study / "report.html"):
        assert clean in written.read_text().replace("\N{NO-BREAK SPACE}", " ")


def test_a_data_set_saved_by_datasets(here, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="pip install tutelage[datasets]")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(here / "colours"), cache_dir=str(here / "prepared"))
    loaded.save_to_disk(str(here / "saved"))
    looks = (("data", "check", name, "--json") for name in ("saved", "colours"))
    training = ("train", "saved", "baseline", *STUDENT, *BUDGET)
    *checked, trained = told_together(*looks, training, cwd=here)
    seen, folder = map(json.loads, checked)
    assert seen["images"] == 60
    assert seen["carved"] == ["val", "test"]
    assert {name: sum(of.values()) for name, of in seen["classes"].items()} == {"blue": 20, "green": 20, "red": 20}
    for same in ("classes", "bytes", "formats", "suggested_size"):
        assert seen[same] == folder[same]
    assert "saved-baseline-convnet-s0" in trained
    (card,) = (here / "runs").glob("saved-*/card.json")
    assert json.loads(card.read_text())["classes"] == ["blue", "green", "red"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    process = command("data", "check", "hf:ann/colours", cwd=here)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert "cannot fetch hf:ann/colours: Couldn't reach 'ann/colours' on the Hub" in err
    run = "python -c \"from datasets import load_dataset; load_dataset('ann/colours').save_to_disk('photos')\""
    assert run in " ".join(err.split())


def test_leakage_and_broken_files_are_warned_of(tmp_path):
    made = small.photos(tmp_path / "colours", splits=("train", "test"))
    (made / "train" / "red" / "bad.jpg").write_bytes(b"bad")
    out = told("data", "check", "colours", cwd=tmp_path)
    assert "warning: 1 cannot be used" in out
    assert "train/red/bad.jpg: not an image of a known format" in out
    shutil.copy(made / "test" / "red" / "00.png", made / "train" / "blue" / "copy.png")
    seen = json.loads(told("data", "check", "colours", "--json", cwd=tmp_path))
    pair = ["test test/red/00.png", "train train/blue/copy.png"]
    assert pair in [sorted(group) for group in seen["duplicates"]["across_splits"]]
    assert pair in [sorted(group) for group in seen["duplicates"]["of_different_classes"]]


def test_a_built_in_set_is_counted(tmp_path):
    seen = json.loads(told("data", "check", "digits", "--json", cwd=tmp_path))
    assert sum(counts["train"] for counts in seen["classes"].values()) == 1294


def test_unlabelled_images_are_learnt_from_and_counted(here):
    small.photos(here / "more", images=5, size=(11, 11))
    out = told("distill", "colours", *TINY, "--seeds", "0", "--data.unlabeled", "more", cwd=here)
    assert "15 images without a label were learnt from too, by every row that names them" in out
    assert re.search(r"they are worth [-+.0-9]+ points to kd on test \(n = 1\)", out)
    assert re.search(r"^kd, labelled alone .*\nkd, with more ", out, re.MULTILINE)
    (study,) = (here / "runs").glob("study-*")
    results = json.loads((study / "results.json").read_text())
    assert results["data"]["unlabeled"] == 15
    assert [row["data"]["unlabeled"] for row in results["recipes"]] == ["", "", "more"]


def test_a_start_without_labels(here, monkeypatch):
    """A teacher's embeddings first, also of photos of no class; then the head, by labels."""
    monkeypatch.chdir(here)
    small.photos(here / "more", images=5, size=(11, 11))
    words = ("distill", "colours", *TINY, "--seeds", "0", "--data.unlabeled", "more", "--tune", "head")
    out = told(*words, "--start_epochs", "2", cwd=here)
    assert re.search(
        r"a start by the teacher's embeddings, without labels, is worth [-+.0-9]+ points to kd on test", out
    )
    assert re.search(r"^kd, .*no start.*\nkd, .*epochs of embeddings before: 2", out, re.MULTILINE)
    (study,) = (here / "runs").glob("study-*")
    *_, unstarted, started = (
        Recipe.from_dict(one) for one in json.loads((study / "results.json").read_text())["recipes"]
    )
    assert unstarted == replace(started, start_epochs=0)
    runs = [here / "runs" / recipe.name for recipe in (started.of_start, started)]
    begun, ended = (load_file(run / "student.safetensors") for run in runs)
    moved = {name for name in begun if not torch.equal(begun[name], ended[name])}
    assert moved == {"fc2.weight", "fc2.bias"}


def test_the_guide(tmp_path, monkeypatch, capsys):
    guide = (Path(__file__).parent.parent.parent / "docs" / "guides" / "photos.md").read_text()
    commands = [shlex.split(words) for words in re.findall(r"^\$ tutelage (.*)$", guide, re.MULTILINE)]
    assert [words[0] for words in commands] == ["data", "distill", "distill", "export", "predict"]
    look, study, few, export, predict = commands
    assert few[:6] == study[:6]
    monkeypatch.chdir(tmp_path)
    small.photos(Path("photos"), size=(24, 20))
    small.photos(Path("more_photos"), images=2)
    main(look)
    assert "class  train  val  test" in capsys.readouterr().out
    said = [flag for flag in re.findall(r"`(--[a-z]+\.[^`]+)`", guide) if " " in flag]
    assert len(said) == 15
    small.photos(Path("split"), images=4, splits=("A", "B", "C"))
    for flag in said:
        name = ["split"] if "train=A" in flag else [study[1]]
        # A counter is all that the names of these photos are: a class is one group.
        refused = pytest.raises(UserError, match="in 3 groups are too few") if "data.group" in flag else nullcontext()
        with refused:
            assert flags.parsed(flags.DistillFlags, "distill", [*name, *study[2:], *shlex.split(flag)]).recipe
    run = train(Recipe(data=Data("photos", size=8), student=small.STUDENT, fit=SHORT), Workspace(engine=small.CPU))
    card = run.result("card")
    assert (card["input"]["interpolation"], card["resizes_inside_by"]) == ("bicubic", "bilinear")
    capsys.readouterr()
    main([*(word.replace("runs/RUN", str(run.path)) for word in export), "--force"])
    assert "student-int8.onnx" in capsys.readouterr().out
    assert run.result("card")["input"]["crop"] == "the largest centred square"
    # What a picture file becomes on a device is what the student was validated on.
    shutil.copy("photos/red/00.png", "photo.jpg")
    main([word.replace("runs/RUN", str(run.path)) for word in predict])
    assert capsys.readouterr().out.startswith("photo.jpg: ")
    dataset, told = data.load(run.recipe.data), index.read("photos")
    files = [str(Path("photos") / told.sound[i].place.file) for i in dataset.val_positions.tolist()]
    main(["predict", str(run.path), *files, "--json", "--top", "3"])
    found = [{one["class"]: one["probability"] for one in each["top"]} for each in json.loads(capsys.readouterr().out)]
    for shares, logits in zip(found, predictions.on_val(run, dataset).logits.softmax(1), strict=True):
        for name, share in zip(dataset.classes, logits.tolist(), strict=True):
            assert abs(shares[name] - share) < 2e-3
