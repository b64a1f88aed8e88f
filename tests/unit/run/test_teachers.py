"""Teachers that cannot teach together are refused in one sentence."""

from dataclasses import replace

import pytest

import small
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.errors import UserError
from tutelage.methods.at import AT
from tutelage.run.recipe import TeacherSpec

FOLDED = TeacherSpec(small.TEACHER, tune="full", folds=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": replace(FOLDED, folds=1)}, "folds = 1, expected 2 networks or more"),
        ({"teacher": replace(FOLDED, folds=-2)}, "folds = -2, expected 2 networks or more"),
        ({"teacher": replace(FOLDED, held_back=(0, 3))}, r"folds = 3 beside teacher.held_back = \[0, 3\], expected"),
        ({"teacher": replace(FOLDED, tune="none", folds=0, held_back=(0, 3))}, "teacher.held_back with teacher.tune"),
        ({"teacher": replace(FOLDED, tune="none")}, r"teacher\.folds with teacher\.tune = none"),
        ({"data": Data("digits", held_back=(0, 2))}, r"teacher\.folds with data\.held_back = \[0, 2\]"),
        ({"augment": Augment(crop_padding=1, mix="mixup")}, r"teacher\.folds with augment\.mix = mixup"),
        ({"method": AT()}, "reads the teacher's features, of which a teacher of several folds has none"),
        ({"teacher": None, "teachers": (FOLDED, replace(FOLDED, seed=1))}, "also those that it was trained on"),
    ],
)
def test_what_cannot_teach_together_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        replace(small.taught(tmp_path), **({"teacher": FOLDED} | changes))


def test_a_teacher_of_folds_is_several_that_differ_in_what_is_held_back(tmp_path):
    recipe = replace(small.taught(tmp_path), teacher=FOLDED)
    assert [spec.held_back for spec in recipe.taught_by] == [(0, 3), (1, 3), (2, 3)]
    assert {spec.folds for spec in recipe.taught_by} == {0}
    assert len({own.hash for own in recipe.of_teachers}) == 3
    assert recipe.hash != replace(recipe, teacher=replace(FOLDED, folds=0)).hash
