"""A recorded step against the same step launched kernel by kernel; on a GPU."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from small import NORMED, digits, taught
from tutelage.data.augment import Augment
from tutelage.errors import UserError
from tutelage.methods.dkd import DKD
from tutelage.outputs import Sizes
from tutelage.run.engine import Engine
from tutelage.run.muon import Muon
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.teacher.answer import NoTeacher
from tutelage.teacher.lessons import Lesson
from tutelage.training import graphs
from tutelage.training.loop import train
from tutelage.training.step import Step

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = Engine(device="cuda", threads=1)
SGD = Fit(epochs=2, batch_size=128, learning_rate=0.02)
KINDS = {
    "cached": {},
    "live": {"live": True},
    "mixed": {"augment": Augment(crop_padding=1, mix="cutmix")},
    "muon": {"fit": Fit(2, 128, optimizer="muon", learning_rate=0.02, average=0.5)},
    "clipped": {"fit": replace(SGD, clip_norm=1.0)},
    "a ramp of epochs": {"method": DKD(warm_up=2.0)},
}


@pytest.mark.parametrize("wrong", [{"device": "cpu"}, {"devices": 2}])
def test_graphs_want_one_gpu(monkeypatch, wrong):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"engine\.graphs is for one GPU"):
        replace(GPU, graphs=True, **wrong).fabric()


def test_what_makes_muons_updates_orthogonal_is_recorded_too(monkeypatch):
    monkeypatch.setattr(graphs, "Recorded", lambda function, device: lambda *given: function(*given) + ["recorded"])
    weight = torch.nn.Parameter(torch.ones(2, 3, 1, 1))
    muon = Muon([{"params": [weight], "orthogonal": True}], lr=0.1, momentum=0.9)
    lesson = Lesson(NoTeacher(), Sizes(classes=2))
    fabric = Engine(device="cpu").fabric()
    step = Step(fabric, Recipe(), Plan(128, 1, 0, SGD), torch.zeros(128), NoTeacher(), None, muon)
    monkeypatch.setattr(graphs, "whole", lambda *given: None)
    graphs.recorded(step, digits().train, lesson)
    assert muon.orthogonal([torch.ones(2, 3, 1, 1)])[-1] == "recorded"


@gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_run_is_the_run(tmp_path, kind):
    recipe = taught(tmp_path, **{"student": NORMED, "fit": SGD} | KINDS[kind])
    plainly = train(recipe, Workspace(tmp_path / "plainly", engine=GPU))
    recorded = train(recipe, Workspace(tmp_path / "recorded", engine=replace(GPU, graphs=True)))
    losses = [run.curve("train", "loss") for run in (plainly, recorded)]
    for (step, one), (other_step, other) in zip(*losses, strict=True):
        assert step == other_step
        assert other == pytest.approx(one, rel=1e-2)
    one, other = load_file(plainly.weights), load_file(recorded.weights)
    for name in one:
        torch.testing.assert_close(one[name].float(), other[name].float(), rtol=0.05, atol=0.02)


@gpu
def test_what_waits_for_the_device_cannot_be_recorded():
    from tutelage.training.graphs import Recorded

    recorded = Recorded(lambda x: x * x.sum().item(), torch.device("cuda", 0))
    for number in range(3):
        assert recorded(torch.full((2,), float(number), device="cuda"))[0].item() == 2 * number**2
    with pytest.raises(UserError, match="cannot be recorded"):
        recorded(torch.ones(2, device="cuda"))


@gpu
def test_a_replay_reads_new_arguments_and_numbers():
    from tutelage.training.graphs import Recorded

    recorded = Recorded(lambda x, number: {"sum": x.sum() * number}, torch.device("cuda", 0))
    told = [recorded(torch.full((3,), float(call), device="cuda"), call)["sum"].item() for call in range(8)]
    assert told == [3 * call * call for call in range(8)]
