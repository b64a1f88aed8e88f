"""A teacher's answers to two views of every image: each from a cache of its own."""

from dataclasses import replace

import pytest
import torch

import small
from tutelage.data.augment import Augment
from tutelage.data.second import TwoViews, stronger
from tutelage.errors import UserError
from tutelage.methods import MLKD, SRRL, SSKD
from tutelage.outputs import Context, Outputs
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.process import ALONE
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member
from tutelage.training.loop import train


@pytest.mark.parametrize("method", [SRRL(), SSKD()], ids=["srrl", "sskd"])
def test_both_views_are_answered_from_caches_and_the_first_ones_is_that_of_any_run(tmp_path, method):
    recipe = small.taught(tmp_path, method=method, views=1, second_view=True)
    space, dataset = small.workspace(tmp_path / "runs"), small.digits()
    lesson = lessons.prepare(recipe, dataset, space, ALONE)
    assert lesson.paid == (8 if "rotations" in method.needs else 2) * len(dataset.train)
    sample, view = torch.tensor([7, 0]), torch.zeros(2, dtype=torch.long)
    pixels = TwoViews(dataset.train, stronger(recipe.augment, dataset.train)).view(sample, view, recipe.augment).pixels
    told = lesson.teacher.answer(pixels, sample, view)
    live = load_member(recipe, recipe.teacher, dataset, space).network(pixels, method.needs)
    torch.testing.assert_close(told.logits, live.logits, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(told.embedding, live.embedding, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(told.rotations, live.rotations, rtol=2e-3, atol=2e-3)
    assert lessons.prepare(replace(recipe, second_view=False), dataset, space, ALONE).paid == 0


def test_likenesses_are_within_a_view():
    generator = torch.Generator().manual_seed(0)
    s, t = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    context = Context(torch.tensor([0, 1, 2] * 2), torch.arange(3).repeat(2), 0.0, views=2)
    found = MLKD().losses(Outputs(s), Outputs(t), context, None)
    each = [
        MLKD().losses(
            Outputs(s[part]), Outputs(t[part]), Context(context.labels[part], context.sample[part], 0.0), None
        )
        for part in (slice(0, 3), slice(3, 6))
    ]
    for name, value in found.items():
        torch.testing.assert_close(value, (each[0][name] + each[1][name]) / 2)


def test_mixed_images_are_not_shown_twice():
    with pytest.raises(UserError, match="second_view"):
        Recipe(augment=Augment(mix="mixup"), second_view=True)
    with pytest.raises(UserError, match=r"fit\.accumulate"):
        Recipe(fit=Fit(accumulate=2), second_view=True)


def test_several_devices_do_not_share_a_batch_of_two_views(tmp_path):
    recipe = small.taught(tmp_path, second_view=True)
    with pytest.raises(UserError, match="one device"):
        train(recipe, Workspace(tmp_path / "runs", engine=Engine(device="cpu", devices=2)))
