"""A path that is no run and no study: the hint names the one that is meant."""

import pytest

from tutelage.errors import UserError
from tutelage.run.folder import Run
from tutelage.run.record import check_study


@pytest.fixture
def runs(tmp_path):
    for name, file in (("a-kd-0123abcd", "recipe.json"), ("study-a-4567cdef", "study.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "a-kd-0123abcd/student.safetensors").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("look", "path", "hint"),
    [
        (Run.open, ".", "name one of the runs in it: a-kd-0123abcd"),
        (Run.open, "a-kd-0123abcd/student.safetensors", "a file of a run: name its folder, "),
        (Run.open, "study-a-4567cdef", "it is a study; its runs lie beside it"),
        (Run.open, "gone", "tutelage train RECIPE makes one"),
        (check_study, ".", "name one of the studies in it: study-a-4567cdef"),
        (check_study, "study-a-4567cdef/study.json", "a file of a study: name its folder, "),
        (check_study, "a-kd-0123abcd", "it is a run"),
        (check_study, "gone", "tutelage distill RECIPE makes one"),
    ],
)
def test_the_hint_names_what_is_meant(runs, look, path, hint):
    with pytest.raises(UserError) as error:
        look(runs / path)
    assert hint in error.value.hint
