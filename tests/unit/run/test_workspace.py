"""Where things happen: every folder of a runs directory has one name."""

import subprocess
import sys
from pathlib import Path

from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace


def test_without_words_it_is_the_folder_runs_here():
    assert Workspace() == Workspace(Path("runs"), None)


def test_the_folders_of_a_runs_directory(tmp_path):
    place = Workspace(tmp_path)
    assert place.caches == tmp_path / "teacher-cache"
    assert place.test_openings == tmp_path / "test_openings.jsonl"
    assert place.folder(Recipe()) == tmp_path / Recipe().name
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"


def test_a_run_is_found_by_its_hash_whatever_else_its_folder_says(tmp_path):
    place, recipe = Workspace(tmp_path), Recipe()
    moved = tmp_path / f"under-another-name-{recipe.hash}"
    moved.mkdir()
    assert place.folder(recipe) == tmp_path / recipe.name, "a folder without a recipe is no run"
    (moved / "recipe.json").touch()
    assert place.folder(recipe) == moved
    (tmp_path / recipe.name).mkdir()
    assert place.folder(recipe) == tmp_path / recipe.name


def test_no_other_module_names_them():
    source = Path(__file__).parents[3] / "src" / "tutelage"
    for name in ('"teacher-cache"', '"test_openings.jsonl"'):
        named = [file.name for file in source.rglob("*.py") if name in file.read_text()]
        assert named == ["workspace.py"], name


def test_folders_may_be_named_by_text():
    """In a process of its own: here annotations are checked, and say that a folder is a Path."""
    code = "from tutelage import Workspace; w = Workspace('runs', 'data'); print(repr(w.runs / 'a'), repr(w.data_root))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [repr(Path("runs/a")), repr(Path("data"))]
