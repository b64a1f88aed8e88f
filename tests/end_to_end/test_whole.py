"""A whole step, run launch by launch on a CPU, against the step of which the host makes every part."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from small import AUGMENT, CPU, NORMED, taught
from tutelage.data.augment import Augment
from tutelage.methods import SSKD
from tutelage.models import Model
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.workspace import Workspace
from tutelage.training import graphs
from tutelage.training.loop import train

MUON = Fit(2, 128, optimizer="muon", learning_rate=0.02, weight_decay=0.01, schedule="linear")
DROPPING = """from torch import nn
def net(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Dropout(0.5), nn.Linear(32, classes))
"""
KINDS = {
    "taught": {},
    "mixed": {"augment": Augment(crop_padding=1, mix="cutmix")},
    "a view an epoch": {"views": 0},
    "in parts": {"fit": replace(MUON, accumulate=2)},
    "rotated": {"method": SSKD()},
    "averaged": {"fit": replace(MUON, average=0.5)},
}


@pytest.fixture
def launched(monkeypatch):
    """What would be recorded is called, and a CPU may do so; the number of steps that were whole."""
    fabric, calls = Engine.fabric, []
    monkeypatch.setattr(Engine, "fabric", lambda self: fabric(replace(self, graphs=False)))
    monkeypatch.setattr(
        graphs, "Recorded", lambda function, device: lambda *given: (given or calls.append(1), function(*given))[1]
    )
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_step_is_the_step(tmp_path, launched, kind):
    recipe = taught(tmp_path, **{"student": NORMED, "fit": MUON, "augment": AUGMENT} | KINDS[kind])
    plainly = train(recipe, Workspace(tmp_path / "plainly", engine=CPU))
    assert not launched
    whole = train(recipe, Workspace(tmp_path / "whole", engine=replace(CPU, graphs=True)))
    assert len(launched) == 20
    assert dict(whole.curve("train", "loss")) == pytest.approx(dict(plainly.curve("train", "loss")), rel=1e-3)
    one, other = load_file(plainly.weights), load_file(whole.weights)
    for name in one:
        torch.testing.assert_close(one[name].float(), other[name].float(), rtol=0.05, atol=5e-3)


def test_what_is_dropped_out_is_drawn_by_the_step(tmp_path, launched):
    (tmp_path / "dropping.py").write_text(DROPPING)
    student = Model(f"{tmp_path}/dropping.py:net")
    recipe = taught(tmp_path, student=student, fit=MUON)
    plainly = train(recipe, Workspace(tmp_path / "plainly", engine=CPU))
    whole = train(recipe, Workspace(tmp_path / "whole", engine=replace(CPU, graphs=True)))
    assert dict(whole.curve("train", "loss")) == pytest.approx(dict(plainly.curve("train", "loss")), rel=1e-3)


def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path, launched, monkeypatch):
    recipe = taught(tmp_path, student=NORMED, fit=MUON)
    workspace = Workspace(tmp_path / "whole", engine=replace(CPU, graphs=True))
    expected = train(recipe, workspace)

    def stop_after(function, device):
        def call():
            if len(launched) == 20 + 14:
                raise KeyboardInterrupt
            launched.append(1)
            return function()

        return call

    again = replace(workspace, runs=tmp_path / "again")
    monkeypatch.setattr(graphs, "Recorded", stop_after)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, again)
    monkeypatch.setattr(graphs, "Recorded", lambda function, device: function)
    one, other = load_file(expected.weights), load_file(train(recipe, again).weights)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_sgd_is_recorded_in_parts(tmp_path, launched):
    recipe = taught(tmp_path, student=NORMED, fit=replace(MUON, optimizer="sgd"))
    train(recipe, Workspace(tmp_path, engine=replace(CPU, graphs=True)))
    assert not launched
