"""Rounding in the loop is what the int8 file does, and leaves nothing behind."""

import numpy as np
import pytest
import torch

import small
from tutelage.edge.runtimes import open_file
from tutelage.export import export, onnx_files, task_of
from tutelage.export.finish import RoundedInput, RoundedWeight, finished, rounding
from tutelage.export.formats import FORMATS
from tutelage.export.task import Task
from tutelage.training.loop import train
from tutelage.training.student import load_student


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return train(small.taught(folder, student=small.NORMED), small.workspace(folder / "runs"))


def test_a_weight_is_rounded_channel_by_channel_and_its_gradient_passes():
    weight = torch.tensor([[64.0, 1.4, -1.6], [0.64, 0.004, -0.006]], requires_grad=True)
    rounded = RoundedWeight()(weight)
    torch.testing.assert_close(rounded, torch.tensor([[64.0, 1.0, -2.0], [0.64, 0.0, -0.01]]))
    rounded.sum().backward()
    assert weight.grad is not None
    assert weight.grad.eq(1).all()


def test_an_activation_is_rounded_within_what_was_seen():
    one = RoundedInput()
    assert one(torch.nn.Identity(), (torch.tensor([0.0, 255.0]),)) is None
    one.watching = False
    entering = torch.tensor([0.4, 1.6, 300.0], requires_grad=True)
    (rounded,) = one(torch.nn.Identity(), (entering,))
    assert rounded.tolist() == [0.0, 2.0, 255.0]
    rounded.sum().backward()
    assert entering.grad is not None
    assert entering.grad.tolist() == [1.0, 1.0, 0.0], "what is clipped learns nothing"


def test_inside_the_block_a_network_computes_as_its_int8_file(tmp_path):
    """Without shortcuts all but the logits' own rounding is modelled, and ONNX Runtime is the reference."""
    dataset, network = small.digits(), small.network(small.TEACHER)
    pixels = dataset.val.plain(torch.arange(len(dataset.val)))
    with torch.no_grad():
        in_float = network(pixels).logits
    task = Task(network, dataset, {}, in_float)
    onnx_files.write_int8(task, tmp_path / "int8.onnx")
    in_int8 = open_file(tmp_path / "int8.onnx").infer(pixels.numpy())
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with rounding(network, task), torch.no_grad():
        rounded = network(pixels).logits
    apart, expected = (np.square(logits.numpy() - in_int8).mean() for logits in (rounded, in_float))
    assert apart < 0.5 * expected
    assert small.same_tensors(state, network.state_dict())
    with torch.no_grad():
        assert torch.equal(network(pixels).logits, in_float), "nothing of it stays"


def test_finishing_trains_the_weights_and_not_the_statistics(run):
    dataset = small.digits()
    before = load_student(run, dataset).state_dict()
    network = finished(run, dataset, task_of(run, dataset), 1, small.CPU)
    after = network.state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.endswith("conv1.weight") for name in moved)
    assert not any("running" in name for name in moved)
    assert not network.training


@pytest.mark.parametrize(("before", "after"), [(0.5, 0.6), (0.6, 0.5)])
def test_the_better_of_the_two_is_kept(run, monkeypatch, before, after):
    told = {
        "file": "student-int8.onnx",
        "images": 144,
        "drop": 0.0,
        "bytes": 1,
        "from_files": {"drop": 0.0, "wrong": 0},
    }
    results = iter([told | {"val_top1": before}, told | {"val_top1": after}])
    written = iter([b"before", b"after"])
    monkeypatch.setattr("tutelage.export.finish.finished", lambda *_: torch.nn.Identity())
    row = FORMATS["onnx-int8"]._replace(
        write=lambda task, path: path.write_bytes(next(written)), measure=lambda task, path: next(results)
    )
    monkeypatch.setattr("tutelage.export.chosen", lambda names: {"onnx-int8": row})
    one = export(run, small.digits(), ("onnx-int8",), finish=2, force=True)["onnx-int8"]
    assert one["val_top1"] == 0.6
    assert one["finish"] == {"epochs": 2, "before": before, "after": after}
    kept = (run.path / "student-int8.onnx").read_bytes()
    assert kept == (b"after" if after > before else b"before")
