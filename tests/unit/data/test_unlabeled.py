"""Images without a label: after the labelled ones in train, answered by the teacher, skipped by label terms."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import small
from tutelage import data
from tutelage.data import Data
from tutelage.errors import UserError
from tutelage.methods._common import label_cross_entropy
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.outputs import Context
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


@settings(deadline=None, max_examples=50)
@given(labels=st.lists(st.integers(-1, 3), min_size=1, max_size=12), smoothing=st.sampled_from([0.0, 0.1]))
def test_label_terms_are_those_of_the_labelled_images(labels, smoothing):
    labels = torch.tensor(labels)
    logits = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = label_cross_entropy(logits, Context(labels, torch.arange(len(labels)), 0.0), smoothing)
    (gradient,) = torch.autograd.grad(loss, logits)
    some = labels >= 0
    assert gradient.isfinite().all()
    assert (gradient[~some] == 0).all()
    if some.any():
        expected = F.cross_entropy(logits[some], labels[some], label_smoothing=smoothing)
        assert torch.allclose(loss, expected)
        assert torch.allclose(gradient, torch.autograd.grad(expected, logits)[0])
    else:
        assert loss == 0


def test_a_mixed_view_counts_the_labelled_part():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels, partners = torch.tensor([0, -1, 2, -1]), torch.tensor([1, 1, -1, -1])
    share = torch.tensor([0.25, 0.5, 0.75, 0.1])
    loss = label_cross_entropy(logits, Context(labels, torch.arange(4), 0.0, partners, share))
    log_p = logits.log_softmax(1)
    expected = -(0.75 * log_p[0, 0] + 0.25 * log_p[0, 1] + 0.5 * log_p[1, 1] + 0.25 * log_p[2, 2]) / 4
    assert torch.allclose(loss, expected)
