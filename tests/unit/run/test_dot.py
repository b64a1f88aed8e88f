"""DOT against loops written from the paper's algorithm, and SGD where it is nothing else.

Seen to fail: equal momenta, decay in both moments, the gradients of both terms in each.
"""

import numpy as np
import pytest
import torch

from small import taught, workspace
from tutelage.errors import UserError
from tutelage.methods import KD
from tutelage.run import dot, optim
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.training.loop import train

GENERATOR = np.random.default_rng(3)
LABELS, OTHERS = GENERATOR.normal(size=(2, 4, 3, 2))  # gradients of four steps
START = GENERATOR.normal(size=(3, 2))


def loops(labels, others, momentum=0.9, gap=0.075, decay=0.1):
    """Zhao et al. 2023, algorithm 1: two buffers, the task's with weight decay."""
    p, a, b = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for g, h in zip(labels, others, strict=True):
        a = (momentum - gap) * a + g + decay * p
        b = (momentum + gap) * b + h
        p = p - 0.5 * (a + b)
    return p


def moved(labels, others, decay=0.1):
    p = torch.nn.Parameter(torch.tensor(START))
    fit = Fit(optimizer="dot", learning_rate=0.5, weight_decay=decay)
    optimizer = optim.optimizer(fit, torch.nn.ParameterList([p]))
    for number in range(4):
        p.grad = None
        if others is not None:
            p.grad = torch.tensor(others[number])
            optimizer.keep()
        if labels is not None:
            p.grad = torch.tensor(labels[number])
        optimizer.step()
    return p.detach().numpy()


@pytest.mark.parametrize(("gap", "decay"), [(0.075, 0.1), (0.09, 0.0), (0.0, 0.1)])
def test_four_steps_are_the_papers(monkeypatch, gap, decay):
    monkeypatch.setattr(dot, "GAP", gap)
    np.testing.assert_allclose(moved(LABELS, OTHERS, decay), loops(LABELS, OTHERS, gap=gap, decay=decay), rtol=1e-12)


@pytest.mark.parametrize("which", ["labels", "others"])
def test_what_has_one_gradient_is_moved_as_by_sgd(which):
    p = torch.nn.Parameter(torch.tensor(START))
    sgd = torch.optim.SGD([p], lr=0.5, momentum=0.9, weight_decay=0.1)
    gradients = LABELS if which == "labels" else OTHERS
    for gradient in gradients:
        p.grad = torch.tensor(gradient)
        sgd.step()
    found = moved(LABELS, None) if which == "labels" else moved(None, OTHERS)
    np.testing.assert_allclose(found, p.detach().numpy(), rtol=1e-12)


def test_a_clipped_gradient_is_refused():
    with pytest.raises(UserError, match=r"fit\.clip_norm"):
        Fit(optimizer="dot", clip_norm=1.0)
    with pytest.raises(UserError, match=r"fit\.accumulate"):
        Fit(optimizer="dot", accumulate=2)


@pytest.mark.parametrize("wrong", [{"devices": 2}, {"compile": True}, {"precision": "fp16"}])
def test_engines_that_take_one_backward_pass_are_refused(tmp_path, wrong):
    space = workspace(tmp_path / "runs")
    space = type(space)(space.runs, engine=Engine(device="cpu", **wrong))
    recipe = taught(tmp_path, fit=Fit(1, 128, optimizer="dot"), method=KD())
    with pytest.raises(UserError, match="two backward passes"):
        train(recipe, space)
