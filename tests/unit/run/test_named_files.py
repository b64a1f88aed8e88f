"""The files that a recipe names: found, identified by what they hold, found from another folder."""

import pytest

import small
from tutelage import files
from tutelage.errors import Damaged, UserError
from tutelage.run.named_files import seen_from, weights_file, with_sources


def test_weights_are_a_file_or_those_of_a_run(tmp_path):
    file = small.weights(tmp_path / "a.safetensors")
    assert weights_file(str(file)) == file
    with pytest.raises(UserError, match="is a folder, and no run's"):
        weights_file(str(tmp_path))
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(UserError, match="holds no finished run"):
        weights_file(str(tmp_path))
    student = file.rename(tmp_path / "student.safetensors")
    assert weights_file(str(tmp_path)) == student
    with pytest.raises(UserError, match="no file of weights"):
        weights_file(str(file))


def test_a_runs_weights_that_are_not_those_of_its_card_are_refused(tmp_path):
    student = small.weights(tmp_path / "student.safetensors")
    files.write_json(tmp_path / "card.json", {"weights_sha256": "0" * 64})
    with pytest.raises(Damaged, match=r"card\.json"):
        weights_file(str(student))


def test_a_file_of_ones_own_stands_for_what_it_computes(tmp_path):
    plain = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "net.py").write_text(f"make = 1  # {place}\n")
        parts = [{"method": {"name": f"{tmp_path}/{place}/net.py:make"}}]
        plain.append(with_sources({"student": {"name": "resnet8"}, "parts": parts}))
    assert plain[0] == plain[1]
    assert plain[0]["student"] == {"name": "resnet8"}
    assert plain[0]["parts"][0]["method"]["name"] == "net.py:make"
    assert len(plain[0]["parts"][0]["method"]["source"]) == 64


def test_paths_that_lead_nowhere_from_here_are_seen_from_there(tmp_path, monkeypatch):
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there, here):
        folder.mkdir()
    for name in ("net.py", "teacher.pth", "photos"):
        (there / name).touch()
    (here / "photos").mkdir()
    monkeypatch.chdir(here)
    plain = {
        "data": {"name": "photos", "unlabeled": "", "splits": "net.py"},
        "student": {"name": "net.py:make", "weights": "pretrained"},
        "teachers": [{"model": {"name": "resnet8", "weights": "teacher.pth"}}],
    }
    assert seen_from(there, plain) == {
        "data": {"name": "photos", "unlabeled": "", "splits": "net.py"},
        "student": {"name": f"{there}/net.py:make", "weights": "pretrained"},
        "teachers": [{"model": {"name": "resnet8", "weights": f"{there}/teacher.pth"}}],
    }
    (there / "digits").touch()
    assert seen_from(there, {"data": {"name": "digits"}}) == {"data": {"name": "digits"}}, "a built-in name"
