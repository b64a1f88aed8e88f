"""From the hub, which is a small server here, to a folder: what was pushed, verified, or nothing."""

import pytest
import torch
from huggingface_hub import constants

import hubs
import small
from tutelage.cli import main
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cachefiles import caches
from tutelage.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, exported by the command, and the answers of its teacher."""
    folder = tmp_path_factory.mktemp("pulled")
    run = train(small.taught(folder), small.workspace(folder / "runs"))
    main(["export", str(run.path), "--force"])
    return run


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub, and an empty folder for what was fetched from one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "fetched"))
    with hubs.serving() as serving:
        yield serving


def test_a_student_arrives_as_it_was_pushed(run, hub, tmp_path, capsys):
    main(["push", str(run.path), "ann/student"])
    hub.got |= {"train.py": b"raise SystemExit", "student/../../evil.onnx": b"x", ".gitattributes": b""}
    main(["pull", "ann/student"])
    assert capsys.readouterr().out.splitlines()[-1] == "student"
    names = {path.name for path in (tmp_path / "student").iterdir()}
    assert names == hub.got.keys() - {"train.py", "student/../../evil.onnx", ".gitattributes"}
    assert all((tmp_path / "student" / name).read_bytes() == hub.got[name] for name in names)
    main(["predict", "student/student.onnx", str(_picture(tmp_path))])


@pytest.mark.parametrize("name", ["student.onnx", "student.safetensors"])
def test_a_student_that_was_changed_is_refused_whole(run, hub, tmp_path, name, capsys):
    main(["push", str(run.path), "ann/student"])
    hub.got[name] = hub.got[name][:-1] + bytes([hub.got[name][-1] ^ 1])
    with pytest.raises(SystemExit):
        main(["pull", "ann/student"])
    assert f"{name} of ann/student is not as it was pushed" in capsys.readouterr().err
    assert not (tmp_path / "student").exists()


def test_answers_arrive_in_another_place_and_are_read(run, hub, tmp_path, capsys):
    cache = _cache(run)
    main(["push", str(cache.folder), "ann/answers"])
    assert hub.kinds == {"datasets"}
    assert not [name for name in hub.got if name.endswith("lock") or "uses" in name]
    main(["pull", "ann/answers", "--answers", "--runs", "other"])
    pulled = TeacherCache.open(tmp_path / "other" / "teacher-cache" / cache.folder.name)
    sample, view = torch.arange(50), torch.zeros(50, dtype=torch.int64)
    assert torch.equal(pulled.answers(sample, view).logits, cache.answers(sample, view).logits)
    with pytest.raises(SystemExit):
        main(["pull", "ann/answers", "--answers", "--runs", "other"])
    assert "is here already" in capsys.readouterr().err


def test_answers_of_which_a_bit_was_changed_are_refused_whole(run, hub, tmp_path, capsys):
    cache = _cache(run)
    main(["push", str(cache.folder), "ann/answers"])
    name = next(name for name in hub.got if name.endswith(".npy"))
    hub.got[name] = hub.got[name][:-1] + bytes([hub.got[name][-1] ^ 1])
    with pytest.raises(SystemExit):
        main(["pull", "ann/answers", "--answers", "--runs", "other"])
    assert "the answers of ann/answers are not as they were pushed" in capsys.readouterr().err
    assert not list((tmp_path / "other").rglob("*.npy"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ann/nothing"], "there is no ann/nothing on the hub that you may read"),
        (["a/b/c"], "no name of a repository"),
        (["ann/student", "--to", "here"], "here exists already"),
    ],
)
def test_mistakes(hub, tmp_path, words, said, capsys):
    (tmp_path / "here").mkdir()
    with pytest.raises(SystemExit):
        main(["pull", *words])
    assert said in capsys.readouterr().err


def test_a_repository_of_something_else(hub, capsys):
    hub.got["model.bin"] = b"x"
    for words, said in ((["ann/x"], "holds no student"), (["ann/x", "--answers"], "holds no teacher's answers")):
        with pytest.raises(SystemExit):
            main(["pull", *words])
        assert said in capsys.readouterr().err


def test_answers_to_photos_of_this_machine_stay_here(run, hub, tmp_path, capsys):
    cache = _cache(run)
    own = TeacherCache(tmp_path / "own", cache.manifest | {"data": "/home/ann/photos"})
    with pytest.raises(SystemExit):
        main(["push", str(own.folder), "ann/answers"])
    assert "which nobody else has" in capsys.readouterr().err
    assert hub.got == {}


def _cache(run) -> TeacherCache:
    """The answers to training images; those to val are another cache."""
    (found,) = [c for c in caches(run.path.parent / "teacher-cache") if c.manifest["data"] == "digits"]
    return TeacherCache.open(found.folder)


def _picture(folder):
    path = small.photos(folder / "pictures", images=2)
    return next(path.rglob("*.png"))
