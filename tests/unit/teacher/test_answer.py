"""Who answers: a frozen network, several of them, or nobody."""

import math

import pytest
import torch

from small import AUGMENT, NORMED, digits, network
from tutelage.teacher.answer import Ensemble, LiveTeacher, NoTeacher, frozen, mean_logits
from tutelage.teacher.asking import ask

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


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_teacher_asked_for_its_first_stages_says_the_same_and_computes_no_more(stages):
    net, called = network(NORMED), []
    whole = net(pixels(), frozenset({"features"}))
    for name in ("layer1", "layer2", "layer3", "linear"):
        net.network.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: called.append(name))
    teacher = LiveTeacher(net, frozenset({"features"}))
    teacher.stages = stages
    answer = teacher.answer(pixels(), SAMPLE, VIEW)
    assert len(answer.features) == stages
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(answer.features, whole.features))
    assert answer.logits.shape == (32, 0)
    assert called == ["layer1", "layer2", "layer3"][:stages]
    teacher.check_frozen()
    assert net(pixels()).logits.shape == (32, 10)


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
def test_an_ensemble_averages_softened_probabilities_at_the_members_own_level(temperature):
    """Numbers by loops over Python floats."""
    members = [(3.0, -1.0, 0.5), (0.0, 6.0, -2.0), (1.0, 1.0, 4.0)]
    exps = [[math.exp(z / temperature) for z in member] for member in members]
    mean = [sum(e[c] / sum(e) for e in exps) / 3 for c in range(3)]
    level = sum(temperature * math.log(sum(e)) for e in exps) / 3
    expected = torch.tensor([[temperature * math.log(p) + level for p in mean]], dtype=torch.double)
    together = mean_logits([torch.tensor([member], dtype=torch.double) for member in members], temperature)
    torch.testing.assert_close(together, expected)


def test_probabilities_are_averaged_and_not_logits():
    """Two sure teachers who differ: half and half, where averaged logits would let the surer one decide alone."""
    sure, surer = torch.tensor([[20.0, 0.0]]), torch.tensor([[0.0, 60.0]])
    torch.testing.assert_close(mean_logits([sure, surer], 1.0).softmax(1), torch.tensor([[0.5, 0.5]]))


def test_equal_members_answer_as_one_of_them():
    logits = torch.randn(5, 7)
    torch.testing.assert_close(mean_logits([logits] * 3, 3.0), logits)
    assert mean_logits([logits], 3.0) is logits


def test_an_ensemble_asks_every_member():
    members = [LiveTeacher(network(seed=seed), frozenset()) for seed in (0, 1)]
    answer = Ensemble(members, 4.0).answer(pixels(), SAMPLE, VIEW).logits
    expected = mean_logits([member.answer(pixels(), SAMPLE, VIEW).logits for member in members], 4.0)
    assert torch.equal(answer, expected)
