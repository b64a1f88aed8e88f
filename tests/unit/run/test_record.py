"""The JSON files of a study: sealed as the study's, read again, named where they are not."""

import pytest

from tutelage import files, sealed
from tutelage.errors import Damaged
from tutelage.run.record import keep, kept, study_title


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "study-digits-0123abcd"
    keep(path, "study", {"name": "a"})
    keep(path, "results", {"rows": [1]})
    return path


def test_what_is_kept_comes_back(folder):
    assert kept(folder, "results") == {"rows": [1]}
    assert study_title(folder) == "study-0123abcd"


def test_a_file_in_the_place_of_another_is_named_with_what_makes_it_again(folder):
    (folder / "results.json").write_bytes((folder / "study.json").read_bytes())
    with pytest.raises(Damaged, match=r'it says that it is "study-0123abcd/study\.json"') as error:
        kept(folder, "results")
    assert "gathers them again" in error.value.hint


def test_that_of_another_study_is_named(folder, tmp_path):
    other = tmp_path / "study-digits-ffffffff"
    keep(other, "results", {"rows": [2]})
    (folder / "results.json").write_bytes((other / "results.json").read_bytes())
    with pytest.raises(Damaged, match="study-ffffffff"):
        kept(folder, "results")


def test_a_folder_of_another_name_is_known_by_its_study(folder, tmp_path):
    renamed = folder.rename(tmp_path / "final")
    assert study_title(renamed) == "study-0123abcd"
    assert kept(renamed, "results") == {"rows": [1]}
    (renamed / "study.json").unlink()
    assert kept(renamed, "results") == {"rows": [1]}, "whatever its seal says"


def test_what_a_version_without_seals_wrote_is_read(folder):
    files.write_json(folder / "results.json", {"rows": [3]})
    assert not sealed.is_sealed(folder / "results.json")
    assert kept(folder, "results") == {"rows": [3]}
