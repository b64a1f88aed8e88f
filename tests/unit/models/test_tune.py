"""Which part of a network is trained: the rest has no gradient and stands in eval mode."""

import pytest
import torch

import small
from tutelage.models.tune import set_trained


@pytest.fixture
def network():
    return small.network(small.NORMED)


def trainable(network):
    return {name.split(".")[0] for name, p in network.network.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("tune", "parts"),
    [("head", {"linear"}), ("last_stage", {"layer3", "linear"}), ("full", None)],
)
def test_only_the_part_that_is_tuned_has_a_gradient(network, tune, parts):
    everything = trainable(network)
    set_trained(network, tune)
    assert trainable(network) == (parts or everything)
    for name, module in network.network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.training == (tune == "full" or (tune == "last_stage" and name.startswith("layer3")))


def test_a_step_moves_the_tuned_part_alone(network):
    set_trained(network, "head")
    before = {name: value.clone() for name, value in network.network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.rand(4, 1, 8, 8)).logits.square().sum().backward()
    optimizer.step()
    moved = {
        name.split(".")[0]
        for name, value in network.network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {"linear"}


def test_it_can_be_set_again_after_an_evaluation(network):
    set_trained(network, "head")
    network.eval()
    set_trained(network, "head")
    assert network.network.linear.training
    assert not network.network.layer1.training


@pytest.mark.parametrize("tune", ["last_stage", "full"])
def test_frozen_norms_keep_their_statistics_and_learn_scale_and_shift(network, tune):
    set_trained(network, tune, "frozen")
    before = {name: value.clone() for name, value in network.network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.rand(4, 1, 8, 8)).logits.square().sum().backward()
    optimizer.step()
    moved = {name for name, value in network.network.state_dict().items() if not torch.equal(value, before[name])}
    assert {"layer3.0.bn1.weight", "layer3.0.bn1.bias", "linear.weight"} <= moved
    assert not [name for name in moved if "running" in name or "num_batches" in name]
    assert network.network.linear.training
