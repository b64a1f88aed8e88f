"""The folders of teachers' answers: listed, verified and pruned."""

import pytest

import small
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.identity import identity
from typing_commands import refused, typed


@pytest.fixture
def runs(tmp_path):
    """A runs folder with a teacher's answers that nobody has read."""
    dataset = small.digits()
    teacher = small.network()
    who = identity(teacher, "convnet", dataset.train, small.AUGMENT, "fp32", "float16")
    TeacherCache(tmp_path / "teacher-cache", who).fill(teacher, dataset.train, small.AUGMENT, views=range(2))
    return tmp_path


def test_cache_list_counts_views_and_images(runs, capsys):
    typed("cache", "list", "--runs", runs)
    images = len(small.digits().train)
    line = capsys.readouterr().out
    assert f"2 views of {images:,} images" in line
    assert f"read by 0 runs, teacher passes paid {2 * images:,}, saved 0" in line


def test_cache_verify_reads_every_file(runs, capsys):
    typed("cache", "verify", "--runs", runs)
    assert capsys.readouterr().out.endswith(" files are as written\n")


def test_cache_prune_removes_what_no_run_has_read(runs, capsys):
    (folder,) = (runs / "teacher-cache").glob("v*")
    cache = TeacherCache.open(folder)
    cache.files.used("a-run", 10)
    (runs / "a-run").mkdir()
    typed("cache", "prune", "--runs", runs)
    assert folder.is_dir()
    assert capsys.readouterr().out.startswith(f"nothing to remove in {folder.parent}: runs have read all")
    (runs / "a-run").rmdir()
    typed("cache", "prune", "--runs", runs)
    assert not folder.exists()
    assert capsys.readouterr().out.startswith(f"removed {folder} (")


def test_cache_prune_by_name_removes_that_folder_alone(runs, capsys):
    (folder,) = (runs / "teacher-cache").glob("v*")
    assert "there is no v1-gone in" in refused(capsys, "cache", "prune", "v1-gone", "--runs", runs)
    assert folder.is_dir()
    typed("cache", "prune", folder.name, "--runs", runs)
    assert not folder.exists()


@pytest.mark.parametrize("verb", ["list", "verify"])
def test_an_empty_runs_folder_is_told(verb, tmp_path, capsys):
    typed("cache", verb, "--runs", tmp_path)
    assert capsys.readouterr().out == f"no teacher's answers in {tmp_path / 'teacher-cache'}\n"
