"""Averaged weights get the BatchNorm statistics of the very views that the plan names."""

import torch

from small import AUGMENT, NORMED, digits, network
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.training import averaging
from tutelage.training.averaging import measure_norms


def test_statistics_are_the_means_over_the_epochs_first_batches(monkeypatch):
    monkeypatch.setattr(averaging, "BATCHES", 3)
    net, images = network(NORMED), digits().train
    plan = Plan(len(images), 2, 0, Fit(epochs=3, batch_size=64))
    first = net.network.conv1
    means, variances = [], []
    for step in range(2 * plan.steps_per_epoch, 2 * plan.steps_per_epoch + 3):
        with torch.no_grad():
            said = first(net.prepare(images.view(*plan.addresses(step), AUGMENT).pixels)).transpose(0, 1).flatten(1)
        means.append(said.mean(1))
        variances.append(said.var(1))
    weights = {name: number.clone() for name, number in net.network.named_parameters()}
    measure_norms(net, images, plan, 2, AUGMENT)
    norm = net.network.bn1
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0), rtol=1e-3, atol=1e-4)
    assert norm.momentum == 0.1
    assert not net.training
    assert all(torch.equal(number, weights[name]) for name, number in net.network.named_parameters())
