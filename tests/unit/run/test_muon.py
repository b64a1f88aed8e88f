"""Muon against timm's own, and against SGD where it is its companion."""

import pytest
import torch
from timm.optim.muon import Muon as TimmMuon
from timm.optim.muon import zeropower_via_newtonschulz
from torch import nn

from small import NORMED, taught, workspace
from tutelage.run import muon, optim
from tutelage.run.optim import Fit
from tutelage.training.loop import train

SHAPES = [(16, 3, 3, 3), (64, 32, 3, 3), (64, 2, 1, 1), (16, 3, 3, 3), (8, 50)]


def updates():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def test_an_update_is_timms():
    for update, ours in zip(updates(), muon.orthogonal(updates()), strict=True):
        matrix = update.flatten(1)
        theirs = zeropower_via_newtonschulz(matrix, 5, [(3.4445, -4.7750, 2.0315)], dtype=torch.float32)
        scale = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
        torch.testing.assert_close(ours, (theirs * scale).view_as(update), rtol=1e-4, atol=1e-5)


def test_singular_values_come_near_one():
    values = torch.linalg.svdvals(muon.newton_schulz(torch.stack([updates()[1].flatten(1)] * 2)))
    assert 0.6 < values.min() < values.max() < 1.3


def test_padding_changes_nothing(monkeypatch):
    """What a GPU computes in one batch."""
    alone = muon.orthogonal(updates())
    monkeypatch.setattr(muon, "_together", lambda matrices: [list(range(len(matrices)))])
    for one, other in zip(alone, muon.orthogonal(updates()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_no_gradient_moves_nothing():
    assert muon.orthogonal([torch.zeros(4, 2, 3, 3)])[0].count_nonzero() == 0


def trained(network, optimizer):
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [parameter.detach() for parameter in network.parameters()]


def convolution():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Conv2d(4, 8, 3)


def test_four_steps_are_timms_and_torchs():
    """The convolution by timm's Muon, its bias by torch's SGD."""
    ours, theirs = convolution(), convolution()
    fit = Fit(optimizer="muon", learning_rate=0.05, companion=0.1, weight_decay=0.02)
    optimizer = optim.optimizer(fit, ours)
    for group in optimizer.param_groups:
        group["lr"] = 0.05 * group.get("lr_scale", 1.0)
    own = trained(ours, optimizer)
    timms = TimmMuon(
        [theirs.weight],
        lr=0.05,
        momentum=0.9,
        weight_decay=0.02,
        nesterov=True,
        adjust_lr_fn="original",
        ns_coefficients="original",
    )
    torchs = torch.optim.SGD([theirs.bias], lr=0.1, momentum=0.9, nesterov=True)
    weight, bias = trained(theirs, Both(timms, torchs))
    torch.testing.assert_close(own[0], weight, rtol=0, atol=5e-3)  # timm's five steps are in bfloat16
    torch.testing.assert_close(own[1], bias)


class Both:
    """Two optimisers that step together."""

    def __init__(self, *optimizers):
        self.optimizers = optimizers

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_companion_is_torchs_sgd(momentum):
    ours, theirs = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
    fit = Fit(optimizer="muon", learning_rate=0.1, companion=0.1, momentum=momentum)
    sgd = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=momentum, nesterov=momentum > 0)
    for one, other in zip(trained(ours, optim.optimizer(fit, ours)), trained(theirs, sgd), strict=True):
        torch.testing.assert_close(one, other)


def test_in_a_run_the_companion_follows_the_schedule_at_a_rate_of_its_own(tmp_path, monkeypatch):
    seen, step = [], muon.Muon.step

    def watched(self, closure=None):
        seen.append([group["lr"] for group in self.param_groups])
        step(self)

    monkeypatch.setattr(muon.Muon, "step", watched)
    fit = Fit(1, 128, optimizer="muon", learning_rate=0.02, companion=0.1, schedule="linear", warm_up=0.0)
    train(taught(tmp_path, fit=fit, student=NORMED), workspace(tmp_path / "runs"))
    assert len(seen) == 10
    for number, rates in enumerate(seen):
        assert rates == pytest.approx([0.02 * (1 - number / 10), 0.1 * (1 - number / 10), 0.1 * (1 - number / 10)])
