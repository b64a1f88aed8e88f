"""The whitened first convolution against numpy's own axes."""

import numpy as np
import pytest
import torch
from torch import nn

from small import NORMED, STUDENT, digits, network
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.models.tap import Preparation, Tapped
from tutelage.models.whiten import whiten
from tutelage.run.network import build_for
from tutelage.run.recipe import Recipe


def first(net):
    return next(part for part in net.network.modules() if isinstance(part, nn.Conv2d))


def test_filters_are_the_axes_of_patches_and_their_negatives():
    """By singular values of all patches, each cut out by hand."""
    net, pixels = network(NORMED), digits().train.plain(torch.arange(50))
    before = first(net).weight.detach().clone()
    whiten(net, pixels)
    images = net.prepare(pixels)[:, 0].numpy().astype(float)
    patches = np.array([im[r : r + 3, c : c + 3].ravel() for im in images for r in range(6) for c in range(6)])
    axes = np.linalg.svd(patches - patches.mean(0), full_matrices=False)[2]
    filters = first(net).weight.detach().flatten(1)
    along = (filters / filters.norm(dim=1, keepdim=True)).numpy()
    for number in range(8):
        assert abs(along[2 * number] @ axes[number]) == pytest.approx(1, abs=1e-4)
        assert np.allclose(along[2 * number], -along[2 * number + 1], atol=1e-6)
    assert torch.allclose(filters.norm(dim=1), before.flatten(1).norm(dim=1))


def test_outputs_are_uncorrelated():
    net, pixels = network(NORMED), digits().train.plain(torch.arange(200))
    whiten(net, pixels)
    layer = first(net)
    layer.padding = (0, 0)
    with torch.no_grad():
        said = layer(net.prepare(pixels))[:, ::2].transpose(0, 1).flatten(1)
    between = torch.corrcoef(said) - torch.eye(8)
    assert between.abs().max() < 0.02


def test_more_filters_than_axes_keep_what_they_were():
    wide = nn.Sequential(nn.Conv2d(1, 10, 2), nn.Flatten(), nn.LazyLinear(2))
    before = wide[0].weight.detach().clone()
    net = Tapped(wide, Preparation((0.5,), (1.0,), 8), head="2", stages=())
    whiten(net, digits().train.plain(torch.arange(20)))
    assert torch.equal(wide[0].weight[8:], before[8:])
    assert not torch.equal(wide[0].weight[:8], before[:8])


def test_nothing_to_whiten_is_said():
    net = Tapped(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), Preparation((0.5,), (1.0,), 8), head="1", stages=())
    with pytest.raises(UserError, match="first convolution"):
        whiten(net, digits().train.plain(torch.arange(2)))


def test_a_recipe_whitens_the_student_that_learns_and_nobody_else():
    model = Model(NORMED.name, init="whiten")
    plain, learner, read = (
        build_for(one, digits(), 0, learns=learns) for one, learns in ((NORMED, True), (model, True), (model, False))
    )
    assert torch.equal(first(plain).weight, first(read).weight)
    assert not torch.equal(first(plain).weight, first(learner).weight)
    assert torch.equal(plain.network.linear.weight, learner.network.linear.weight)


def test_weights_and_whitening_exclude_each_other():
    with pytest.raises(UserError, match="would be lost"):
        Recipe(student=Model(STUDENT.name, weights="some.safetensors", init="whiten"))
