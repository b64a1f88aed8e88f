"""Who answers: a frozen network, several of them, or nobody."""

import pytest
import torch
import torch.nn.functional as F

from small import AUGMENT, NORMED, digits, network
from tutelage.teacher import Ensemble, LiveTeacher, NoTeacher, ask, frozen, mean_logits

SAMPLE = torch.arange(32)
VIEW = torch.zeros_like(SAMPLE)


def pixels():
    return digits().train.view(SAMPLE, VIEW, AUGMENT).pixels


def test_nobody_answers_no_classes():
    assert NoTeacher().answer(pixels(), SAMPLE, VIEW).logits.shape == (32, 0)


def test_a_live_teacher_answers_in_evaluation_mode_and_without_gradient():
    net = network(NORMED).train()
    expected = network(NORMED).eval()(pixels(), frozenset({"embedding", "features"}))
    answer = LiveTeacher(net, frozenset({"embedding", "features"})).answer(pixels(), SAMPLE, VIEW)
    assert torch.equal(answer.logits, expected.logits)
    assert torch.equal(answer.embedding, expected.embedding)
    assert len(answer.features) == len(expected.features) == 3
    assert not answer.logits.requires_grad
    assert not any(p.requires_grad for p in net.parameters())


def test_a_teacher_put_in_training_mode_is_caught_by_its_batch_norms():
    """torch.no_grad does not stop running statistics: two forward passes with train() left on."""
    teacher = LiveTeacher(network(NORMED), frozenset())
    teacher.answer(pixels(), SAMPLE, VIEW)
    teacher.check_frozen()
    teacher.network.train()
    teacher.answer(pixels(), SAMPLE, VIEW)
    with pytest.raises(RuntimeError, match="the teacher changed"):
        teacher.check_frozen()


def test_a_teacher_that_is_trained_is_caught():
    teacher = LiveTeacher(network(), frozenset())
    with torch.no_grad():
        next(teacher.network.parameters()).add_(1e-3)
    with pytest.raises(RuntimeError, match="the teacher changed"):
        teacher.check_frozen()


def test_frozen_returns_the_network_itself():
    net = network(NORMED).train()
    assert frozen(net) is net
    assert not any(module.training for module in net.modules())


def test_asking_looks_at_the_view():
    net = network()
    expected = net(digits().train.view(SAMPLE, VIEW + 3, AUGMENT).pixels).logits
    torch.testing.assert_close(ask(net, digits().train, AUGMENT, SAMPLE, 3).logits, expected)
    assert ask(net, digits().train, AUGMENT, SAMPLE, 3, frozenset({"embedding"})).embedding is not None


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_an_ensemble_averages_softened_probabilities(temperature):
    members = [torch.randn(5, 7, dtype=torch.double) * 6 for _ in range(3)]
    softened = torch.stack([F.softmax(z / temperature, dim=1) for z in members]).mean(0)
    together = mean_logits(members, temperature)
    torch.testing.assert_close(F.softmax(together / temperature, dim=1), softened)
    # The scale is fixed too: exp(z / T) sums to 1.
    torch.testing.assert_close((together / temperature).exp().sum(1), torch.ones(5, dtype=torch.double))


def test_an_ensemble_of_one_is_that_one_up_to_a_constant():
    logits = torch.randn(5, 7)
    torch.testing.assert_close(mean_logits([logits], 3.0).softmax(1), logits.softmax(1))


def test_an_ensemble_asks_every_member():
    members = [LiveTeacher(network(seed=seed), frozenset()) for seed in (0, 1)]
    answer = Ensemble(members, 4.0).answer(pixels(), SAMPLE, VIEW).logits
    expected = mean_logits([member.answer(pixels(), SAMPLE, VIEW).logits for member in members], 4.0)
    assert torch.equal(answer, expected)
