"""A file is written, run, and kept only where it is as good as it has to be."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch

import small
from tutelage import export as exporting
from tutelage.edge.card import Card
from tutelage.edge.runtimes import open_file
from tutelage.errors import UserError
from tutelage.export import export, export_file, onnx_files, task_of
from tutelage.export.formats import FORMATS
from tutelage.measure.classifier import measure
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a network with BatchNorm."""
    fit = Fit(epochs=3, batch_size=128, learning_rate=0.1)
    recipe = Recipe(student=small.NORMED, augment=small.AUGMENT, fit=fit, views=2)
    return train(recipe, small.workspace(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def told(run):
    return export(run, small.digits(), ("onnx", "onnx-int8"), force=True)


def test_the_float_file_says_what_pytorch_says(run, told):
    task = task_of(run, small.digits())
    pixels = small.digits().val.plain(torch.arange(7))
    with torch.inference_mode():
        expected = task.network(pixels).logits.numpy()
    logits = open_file(run.path / "student.onnx").infer(pixels.numpy())
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert told["onnx"]["drop"] == 0
    assert told["onnx"]["same_predictions"] == 1


def test_what_is_told_is_what_the_file_does(run, told):
    val = small.digits().val
    for name, one in told.items():
        path = run.path / FORMATS[name].file
        logits = open_file(path).infer(val.plain(torch.arange(len(val))).numpy())
        assert one["val_top1"] == measure(torch.from_numpy(logits), val.labels)["top1"]
        assert one["images"] == len(val)
        assert one["bytes"] == path.stat().st_size
        assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p90"]
        assert 0 < one["file_bytes"] < one["peak_bytes"]
    assert run.result("export") == told
    assert told["onnx-int8"]["bytes"] < told["onnx"]["bytes"]
    assert told["onnx-int8"]["sqnr_db"] > 20


def test_int8_has_a_scale_for_each_channel_and_nothing_before_the_first_convolution(run, told):
    model = onnx.load(run.path / "student-int8.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    kernels = [tensor for tensor in tensors.values() if len(tensor.dims) == 4]
    assert kernels
    for kernel in kernels:
        assert kernel.data_type == onnx.TensorProto.INT8
        (node,) = (node for node in model.graph.node if kernel.name in node.input)
        assert node.op_type == "DequantizeLinear"
        assert list(tensors[node.input[1]].dims) == [kernel.dims[0]]
    steps = [node.op_type for node in model.graph.node if not set(node.input) <= set(tensors)]
    assert steps[:5] == ["Mul", "Add", "QuantizeLinear", "DequantizeLinear", "Conv"]


def test_int8_is_calibrated_on_the_same_training_images_and_never_on_val(run, told, tmp_path, monkeypatch):
    task = task_of(run, small.digits())
    asked = []
    plain = type(task.dataset.train).plain
    monkeypatch.setattr(
        type(task.dataset.train), "plain", lambda images, position: asked.append(images) or plain(images, position)
    )
    for name in ("one.onnx", "other.onnx"):
        shutil.copy(run.path / "student.onnx", tmp_path / name)
        onnx_files.quantize(tmp_path / name, onnx_files.calibration(task))
    assert set(map(id, asked)) == {id(task.dataset.train)}
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


def test_the_card_is_inside_the_file_and_beside_it(run, told):
    inside, of_int8 = (
        json.loads({p.key: p.value for p in onnx.load(run.path / one["file"]).metadata_props}["tutelage"])
        for one in told.values()
    )
    assert inside == of_int8
    beside = json.loads((run.path / "card.json").read_text())
    for plain in (inside, beside):
        assert Card.of(plain, "it") == Card(tuple(map(str, range(10))), (1, 8, 8), "bilinear")
        assert plain["input"]["mean"] == pytest.approx(small.digits().mean)
    assert beside["parameters"] > 0, "what the card said before stays"


@pytest.fixture
def rows(run, told, monkeypatch):
    """The formats, written by copying, with limits that nothing can keep."""
    monkeypatch.setattr(exporting, "MAX_DROP", -1.0)
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    return {
        name: row._replace(write=lambda task, path, file=row.file: shutil.copy(run.path / file, path))
        for name, row in FORMATS.items()
    }


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_a_file_that_is_not_good_enough_does_not_appear(run, rows, tmp_path, name):
    with pytest.raises(UserError, match=f"^{name} .* the file is not kept"):
        export_file(task_of(run, small.digits()), name, rows[name], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_force_keeps_int8_but_not_a_wrong_float(run, rows, tmp_path):
    task = task_of(run, small.digits())
    export_file(task, "onnx-int8", rows["onnx-int8"], tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["student-int8.onnx"]
    with pytest.raises(UserError, match="points apart"):
        export_file(task, "onnx", rows["onnx"], tmp_path, force=True)


def test_what_was_compiled_from_an_older_file_goes(run, rows, tmp_path):
    for name in ("student-int8-ethos-u55-128.onnx", "student-int8-ethos-u55-128.tflite"):
        (tmp_path / name).touch()
    export_file(task_of(run, small.digits()), "onnx-int8", rows["onnx-int8"], tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "student-int8-ethos-u55-128.tflite",
        "student-int8.onnx",
    ]
