"""A state between two steps: what comes back is what was kept, bit for bit, and only whole ones are seen."""

import pytest
import torch
from torch import nn

from small import NORMED, digits, network, same_tensors
from tutelage import files, sealed
from tutelage.run import checkpoint, optim
from tutelage.run.checkpoint import Checkpoints
from tutelage.run.optim import Fit

FITS = [
    Fit(),
    Fit(optimizer="adam"),
    Fit(optimizer="muon", learning_rate=0.02),
    Fit(optimizer="adamw"),
    Fit(momentum=0.0),
]


def made(fit, seed=0, adapters=1):
    student, projector = network(NORMED, seed).train(), nn.Linear(3, adapters)
    whole = nn.ModuleList([student, projector]).to(memory_format=torch.channels_last)
    return whole, {"student": student.network, "adapters": projector}, optim.optimizer(fit, whole)


def step(whole, optimizer, number):
    pixels = digits().train.plain(torch.arange(number, number + 16))
    logits = whole[0](pixels).logits
    (logits.square().mean() + whole[1](logits[:, :3]).square().mean()).backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: f"{fit.optimizer}-{fit.momentum}")
def test_training_goes_on_with_the_same_bits(tmp_path, fit):
    whole, modules, optimizer = made(fit)
    for number in range(3):
        step(whole, optimizer, number)
    checkpoint.save(Checkpoints(tmp_path), 3, modules, optimizer, {"best": None, "seconds": 1.5})
    other, again, other_optimizer = made(fit, seed=1)
    state = checkpoint.load_latest(Checkpoints(tmp_path), again, other_optimizer)
    assert state == {"step": 3, "best": None, "seconds": 1.5}
    assert same_tensors(other.state_dict(), whole.state_dict())
    for number in range(3, 6):
        step(whole, optimizer, number)
        step(other, other_optimizer, number)
    assert same_tensors(other.state_dict(), whole.state_dict())


@pytest.mark.parametrize("fit", FITS[:2], ids=lambda fit: fit.optimizer)
def test_moments_come_back_in_the_memory_format_of_their_weights(tmp_path, fit):
    """Else every later step would mix formats, and be slower for it."""
    whole, modules, optimizer = made(fit)
    step(whole, optimizer, 0)
    checkpoint.save(Checkpoints(tmp_path), 1, modules, optimizer, {})
    _, again, other = made(fit)
    checkpoint.load_latest(Checkpoints(tmp_path), again, other)
    kept = [moment for state in other.state.values() for moment in state.values() if moment.ndim == 4]
    assert len(kept) in (7, 14)
    assert all(moment.is_contiguous(memory_format=torch.channels_last) for moment in kept)


def test_without_a_checkpoint_a_run_begins_at_step_0(tmp_path):
    _, modules, optimizer = made(Fit())
    before = {name: tensor.clone() for name, tensor in modules["student"].state_dict().items()}
    assert checkpoint.load_latest(Checkpoints(tmp_path / "none"), modules, optimizer) == {"step": 0}
    assert same_tensors(before, modules["student"].state_dict())


def test_the_newest_two_stay(tmp_path):
    _, modules, optimizer = made(Fit())
    for number in (5, 10, 100, 15):
        checkpoint.save(Checkpoints(tmp_path), number, modules, optimizer, {})
    assert checkpoint.list_steps(tmp_path) == [15, 100]
    assert checkpoint.load_latest(Checkpoints(tmp_path), modules, optimizer) == {"step": 100}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000015", "step_00000100"]


def test_a_checkpoint_that_is_there_is_not_written_again(tmp_path):
    _, modules, optimizer = made(Fit())
    checkpoint.save(Checkpoints(tmp_path), 5, modules, optimizer, {"first": True})
    checkpoint.save(Checkpoints(tmp_path), 5, modules, optimizer, {"first": False})
    assert checkpoint.load_latest(Checkpoints(tmp_path), modules, optimizer)["first"] is True


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_while_saving_leaves_the_one_before(tmp_path, monkeypatch, moment):
    _, modules, optimizer = made(Fit())
    checkpoint.save(Checkpoints(tmp_path), 5, modules, optimizer, {})
    saved, write = [], sealed.write_tensors

    def dying(*arguments):
        if len(saved) == moment:
            raise Killed
        saved.append(write(*arguments))

    monkeypatch.setattr(sealed, "write_tensors", dying)
    if moment == 3:
        monkeypatch.setattr(files, "write_json", lambda *arguments: dying())
    with pytest.raises(Killed):
        checkpoint.save(Checkpoints(tmp_path), 10, modules, optimizer, {})
    assert checkpoint.list_steps(tmp_path) == [5]
    assert checkpoint.load_latest(Checkpoints(tmp_path), modules, optimizer) == {"step": 5}


def test_what_a_real_kill_leaves_behind_is_not_seen(tmp_path):
    (tmp_path / ".step_00000009.123-abcd.tmp").mkdir()
    (tmp_path / ".step_00000003.abcd.gone").mkdir()
    assert checkpoint.list_steps(tmp_path) == []


def test_nothing_is_a_pickle(tmp_path):
    _, modules, optimizer = made(Fit(optimizer="adam"))
    checkpoint.save(Checkpoints(tmp_path), 5, modules, optimizer, {})
    names = sorted(p.name for p in (tmp_path / "step_00000005").iterdir())
    assert names == ["adapters.safetensors", "optimizer.safetensors", "state.json", "student.safetensors"]
