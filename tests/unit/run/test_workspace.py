"""Where things happen: every folder of a runs directory has one name."""

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


def test_no_other_module_names_them():
    source = Path(__file__).parents[3] / "src" / "tutelage"
    for name in ('"teacher-cache"', '"test_openings.jsonl"'):
        named = [file.name for file in source.rglob("*.py") if name in file.read_text()]
        assert named == ["workspace.py"], name
