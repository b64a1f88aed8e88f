"""What was computed is used again if and only if it would be computed again to the same result."""

import logging
import os
import shutil
from dataclasses import replace

import pytest
import torch

import small
from tutelage import data
from tutelage.cli import main
from tutelage.data import Data, index
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member
from tutelage.training.loop import train
from tutelage.training.student import load_student

NET = """
from torch import nn
import helper

def make(classes, slope=0.0):
    last = nn.Linear(64, classes, helper.bias)
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.LeakyReLU(slope), nn.Flatten(), last)
"""


PHOTO_NET = """
from torch import nn

def make(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.LeakyReLU({slope}), nn.Flatten(), nn.Linear(64, classes))
"""


def caches(runs):
    return {path.name for path in (runs / "teacher-cache").glob("v1-*")}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A recipe whose teacher is a file of the user's own with weights of the user's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "helper.py").write_text("bias = True\n")
    model = Model("net.py:make")
    torch.save(small.network(model).network.state_dict(), tmp_path / "teacher.pth")
    return Recipe(
        data=Data("digits", part=100),
        student=small.STUDENT,
        teacher=TeacherSpec(replace(model, weights="teacher.pth")),
        method=KD(),
        augment=small.AUGMENT,
        fit=Fit(epochs=1, batch_size=50),
        views=1,
    )


def test_the_code_and_options_of_a_teacher_are_part_of_what_its_answers_are(own, tmp_path, caplog):
    runs = tmp_path / "runs"
    first = train(own, small.workspace(runs))
    before = caches(runs)
    (tmp_path / "helper.py").write_text('"""Says whether."""\nbias = True  # it has one\n')
    assert train(own, small.workspace(runs)).path == first.path
    with caplog.at_level(logging.INFO):
        (tmp_path / "helper.py").write_text("bias = not False\n")
        second = train(own, small.workspace(runs))
    assert second.path != first.path
    assert "has the same recipe, but the code, weights or images that it names have changed since" in caplog.text
    assert "net.py:make has changed since" in caplog.text
    assert "(its code): it is asked anew" in caplog.text
    assert len(caches(runs) - before) == 1
    spec = replace(own.teacher, model=replace(own.teacher.model, options={"slope": 0.5}))
    third = train(replace(own, teacher=spec), small.workspace(runs))
    assert third.path not in (first.path, second.path)
    assert len(caches(runs) - before) == 2


def test_a_network_that_answers_otherwise_under_the_same_identity_gets_a_cache_of_its_own(own, tmp_path, caplog):
    """The code reads what no import tells: an environment variable."""
    (tmp_path / "helper.py").write_text("import os\nbias = True\n")
    (tmp_path / "net.py").write_text(NET.replace("LeakyReLU(slope)", "LeakyReLU(float(helper.os.environ['SLOPE']))"))
    dataset, found = data.load(own.data), []
    for slope in ("0", "0", "0.5", "0.5"):
        os.environ["SLOPE"] = slope
        with caplog.at_level(logging.INFO):
            member = load_member(own, own.teacher, dataset, small.workspace(tmp_path / "runs"))
            cache = lessons.open_cache(own, member, dataset, small.workspace(tmp_path / "runs"))
        cache.fill(member.network, dataset.train, own.augment, [0])
        found.append(cache.folder.name)
    del os.environ["SLOPE"]
    assert found[0] == found[1] != found[2] == found[3]
    assert "are not used again: the same pictures were answered otherwise then" in caplog.text


def test_a_run_is_found_from_any_folder_and_after_its_data_and_code_have_moved(own, tmp_path, monkeypatch):
    first = train(own, small.workspace(tmp_path / "runs"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert Run.open(first.path).recipe.teacher.model.name == f"{tmp_path}/net.py:make", "seen from where it was made"
    for name in ("net.py", "helper.py", "teacher.pth"):
        shutil.move(tmp_path / name, elsewhere / name)
    assert train(own, small.workspace(tmp_path / "runs")).path == first.path
    monkeypatch.chdir(tmp_path)
    spec = replace(own.teacher, model=Model("elsewhere/net.py:make", weights="elsewhere/teacher.pth"))
    assert train(replace(own, teacher=spec), small.workspace(tmp_path / "runs")).path == first.path
    assert Run.open(first.path).recipe.teacher.model.name == "elsewhere/net.py:make", "where it was last seen"


def test_photos_that_moved_are_the_same_and_photos_that_changed_are_not(tmp_path, caplog):
    folder = small.photos(tmp_path / "photos")
    recipe = Recipe(
        data=Data(str(folder), size=8), student=small.STUDENT, fit=Fit(epochs=1, batch_size=16),
        augment=small.AUGMENT, views=1,
    )  # fmt: skip
    first = train(recipe, small.workspace(tmp_path / "runs"))
    moved = folder.rename(tmp_path / "pictures")
    recipe = replace(recipe, data=replace(recipe.data, name=str(moved)))
    assert train(recipe, small.workspace(tmp_path / "runs")).path == first.path
    # Other pixels under the same size and time.
    one, before = moved / "red" / "00.png", index.read(str(moved)).digest
    content = bytearray(one.read_bytes())
    content[-20] ^= 1
    at = one.stat()
    one.write_bytes(content)
    os.utime(one, ns=(at.st_atime_ns, at.st_mtime_ns))
    index._latest.clear()  # as another process
    with caplog.at_level(logging.WARNING):
        changed = index.read(str(moved))
    assert "1 of 60 files have other contents under the same size and time (red/00.png, ...)" in caplog.text
    assert changed.digest != before


def test_a_run_is_not_measured_by_other_code_or_images_without_a_word(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(PHOTO_NET.format(slope=0.1))
    small.photos(tmp_path / "photos", images=20)
    recipe = Recipe(Data("photos", size=8), Model("net.py:make"), augment=small.AUGMENT, fit=Fit(1, batch_size=4))
    run = train(recipe, small.workspace(tmp_path / "runs"))
    asked = ["evaluate", str(run.path), "--open-test", "a test asks"]

    (tmp_path / "net.py").write_text(PHOTO_NET.format(slope=0.1) + "# a remark\n")
    assert not run.changes()
    (tmp_path / "net.py").write_text(PHOTO_NET.format(slope=0.5))
    assert "have changed since it was trained" in run.changes()
    with pytest.raises(SystemExit, match="2"):
        main(asked)
    assert not (tmp_path / "runs/test_openings.jsonl").exists(), "no opening is spent on it"

    (tmp_path / "net.py").write_text(PHOTO_NET.format(slope=0.1))
    first = next((tmp_path / "photos").rglob("*.png"))
    first.write_bytes(sorted((tmp_path / "photos").rglob("*.png"))[-1].read_bytes())
    index._latest.clear()  # as another process
    load_student(Run.open(run.path), data.load(Data("photos", size=8)))
    assert "have changed since it was trained; what is measured here" in caplog.text
