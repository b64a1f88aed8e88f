"""Images without a label: after the labelled ones in train, answered by the teacher, skipped by label terms."""

import shutil

import pytest
import torch

import small
from tutelage import data
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.run.recipe import Recipe, TeacherSpec


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Labelled photos; and others, of which one is among them already."""
    folder = tmp_path_factory.mktemp("unlabeled")
    small.photos(folder / "colours")
    small.photos(folder / "more" / "deep", images=3, size=(9, 14))
    shutil.copy(folder / "colours" / "red" / "00.png", folder / "more" / "again.png")
    return Data(str(folder / "colours"), unlabeled=str(folder / "more"))


def test_they_come_after_the_labelled_ones_and_nowhere_else(named):
    alone, together = data.load(named.labelled), data.load(named)
    assert len(together.train) == len(alone.train) + 9
    assert torch.equal(together.train.labels[: len(alone.train)], alone.train.labels)
    assert (together.train.labels[len(alone.train) :] == -1).all()
    assert together.val.digest == alone.val.digest
    assert together.train.digest != alone.train.digest
    position = torch.arange(len(alone.train))
    assert torch.equal(together.train.plain(position), alone.train.plain(position))
    brightest = together.train.plain(torch.arange(len(alone.train), len(together.train))).mean((2, 3)).argmax(1)
    assert brightest.tolist() == [2] * 3 + [1] * 3 + [0] * 3
    assert data.unlabeled_images(named) == 9


def test_baseline_and_teacher_learn_from_the_labelled_ones(named):
    recipe = Recipe(data=named, method=KD(), teacher=TeacherSpec(tune="full"))
    assert recipe.as_baseline.data == named.labelled
    assert [own.data for own in recipe.of_teachers] == [named.labelled]
    assert recipe.name != Recipe(data=named.labelled, method=KD(), teacher=recipe.teacher).name


@pytest.mark.parametrize("taught", [{"method": DKD(), "teacher": TeacherSpec()}, {}])
def test_methods_that_need_every_label_refuse_them(named, taught):
    with pytest.raises(UserError, match="needs the label of every image"):
        Recipe(data=named, **taught)


def test_they_go_with_photos_alone():
    with pytest.raises(UserError, match=r"goes with a folder of photos, and data.name is digits"):
        Data(unlabeled="more")
