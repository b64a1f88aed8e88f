"""How a network is trained: which numbers are allowed, what is decayed, what is averaged."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from small import NORMED, network, same_tensors
from tutelage.errors import UserError
from tutelage.run import optim
from tutelage.run.optim import Fit


@pytest.mark.parametrize(
    ("field", "bad", "expected"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("inf"), "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("momentum", 1.0, "[0, 1)"),
        ("momentum", -0.1, "[0, 1)"),
        ("weight_decay", -1e-4, "at least 0"),
        ("warm_up", -1.0, "at least 0 epochs"),
        ("clip_norm", -1.0, "at least 0"),
        ("ema", 1.0, "[0, 1)"),
        ("average", 1.1, "[0, 1]"),
        ("companion", 0.0, "above 0"),
    ],
)
def test_a_number_out_of_range_is_an_error(field, bad, expected):
    with pytest.raises(UserError, match=rf"fit\.{field} = ") as told:
        Fit(**{field: bad})
    assert expected in told.value.hint


def test_norms_and_biases_are_not_decayed_and_frozen_parts_not_trained():
    net = network(NORMED)
    net.network.conv1.requires_grad_(requires_grad=False)
    groups = optim.optimizer(Fit(weight_decay=0.1), net).param_groups
    decayed = {name: group["weight_decay"] for group in groups for p in group["params"]
               for name, q in net.network.named_parameters() if p is q}  # fmt: skip
    kinds = {name: type(net.network.get_submodule(name.rpartition(".")[0])) for name in decayed}
    assert set(decayed) == {name for name, _ in net.network.named_parameters()} - {"conv1.weight"}
    for name, decay in decayed.items():
        weight = name.endswith("weight") and kinds[name] is not nn.BatchNorm2d
        assert decay == (0.1 if weight else 0.0), name


@pytest.mark.parametrize(
    ("fit", "reference"),
    [
        (Fit(), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)),
        (Fit(momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=5e-4)),
        (Fit(optimizer="adamw", weight_decay=0.1), lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1)),
        (Fit(optimizer="adam", weight_decay=0.1), lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1)),
    ],
)
def test_the_optimisers_are_those_of_torch(fit, reference):
    ours, theirs = (nn.Linear(3, 2, bias=False) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    pair = [(ours, optim.optimizer(fit, ours)), (theirs, reference(theirs.parameters()))]
    for step in range(3):
        for module, optimizer in pair:
            optimizer.zero_grad()
            (module(torch.full((4, 3), 1.0 + step)) ** 2).sum().backward()
            optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)


def test_a_module_of_norms_alone_has_one_group():
    assert len(optim.optimizer(Fit(), nn.BatchNorm2d(3)).param_groups) == 1


def test_the_average_is_exponential_over_weights_and_buffers():
    """To the bits of torch's own."""
    module = nn.BatchNorm1d(3)
    average, theirs = (
        AveragedModel(module),
        AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.75), use_buffers=True),
    )
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        with torch.no_grad():
            for number in (module.weight, module.running_mean):
                number.copy_(torch.randn(3, generator=generator))
            module.num_batches_tracked.fill_(2**step)  # ty: ignore[call-non-callable]
        optim.update_average(average.module, module, optim.average_decay(Fit(ema=0.75), step, 4))
        theirs.update_parameters(module)
        assert same_tensors(average.module.state_dict(), theirs.module.state_dict())


def test_the_average_of_the_last_steps_is_their_plain_mean():
    module, seen = nn.Linear(2, 1), []
    average = AveragedModel(module)
    for step in range(10):
        with torch.no_grad():
            module.weight.fill_(step**2)
        seen.append(module.weight.clone())
        optim.update_average(average.module, module, optim.average_decay(Fit(average=0.3), step, 10))
        last = seen[max(0, min(step, 7)) :][-3:] if step >= 7 else seen[-1:]
        assert torch.allclose(average.module.weight, torch.stack(last).mean(0))


def test_two_kinds_of_average_are_one_too_many():
    with pytest.raises(UserError, match="two ways"):
        Fit(ema=0.9, average=0.1)


def test_muon_moves_convolutions_by_itself_and_the_rest_by_its_companion():
    net = network(NORMED)
    fit = Fit(optimizer="muon", learning_rate=0.02, companion=0.1, weight_decay=0.01)
    groups = optim.optimizer(fit, net).param_groups
    named = {id(p): name for name, p in net.network.named_parameters()}
    matrices, head, rest = ({named[id(p)] for p in group["params"]} for group in groups)
    assert head == {"linear.weight", "conv1.weight"}  # conv1 reads one channel
    assert matrices == {f"layer{layer}.0.conv{number}.weight" for layer in (1, 2, 3) for number in (1, 2)}
    assert rest == set(named.values()) - matrices - head
    assert [group["weight_decay"] for group in groups] == [0.01, 0.01, 0.0]
    assert [group.get("lr_scale", 1.0) for group in groups] == [1.0, 5.0, 5.0]


def test_the_schedules_end():
    rates = {
        schedule: [optim.learning_rate(Fit(epochs=10, learning_rate=1.0, warm_up=0.0, schedule=schedule), s, 4)
                   for s in range(4)]
        for schedule in ("linear", "constant")
    }  # fmt: skip
    assert rates == {"linear": [1.0, 0.75, 0.5, 0.25], "constant": [1.0] * 4}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_the_optimiser_moves_weights_to_the_bits_of_the_plain_loop(name):
    """One list of all tensors at once is faster and nothing else."""
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    fit, moved = Fit(optimizer=name, learning_rate=0.05), []
    for plainly in (False, True):
        net = network(NORMED)
        optimizer = optim.optimizer(fit, net)
        if plainly:
            groups = [
                {"params": group["params"], "weight_decay": group["weight_decay"]} for group in optimizer.param_groups
            ]
            how = {"momentum": fit.momentum, "nesterov": True} if name == "sgd" else {}
            optimizer = kinds[name](groups, lr=fit.learning_rate, foreach=False, **how)
        generator = torch.Generator().manual_seed(0)
        for _ in range(4):
            for parameter in net.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        moved.append(net.state_dict())
    assert all(torch.equal(moved[0][key], moved[1][key]) for key in moved[0])
