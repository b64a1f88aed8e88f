"""Files for microcontrollers, whole: made by the converters, run by LiteRT and by TensorFlow Lite Micro.

They need tutelage[mcu] and the converters' environment; without them they are skipped, saying so.
"""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import small
from tutelage.edge import card, flatbuffer
from tutelage.edge.runtimes import open_file
from tutelage.errors import UserError
from tutelage.export import environment, export_file, graph, litert
from tutelage.export.formats import FORMATS
from tutelage.export.task import Micro, Task
from tutelage.measure.classifier import predict
from tutelage.models.tap import Preparation, Tapped


@pytest.fixture(scope="module", autouse=True)
def _there():
    for package in ("ai_edge_litert", "tflite_micro"):
        pytest.importorskip(package, reason="pip install 'tutelage[mcu]'")
    if not environment.ready():
        pytest.skip(environment.MAKE)


def task_of(network: nn.Module, **micro) -> Task:
    dataset = small.digits()
    said = {"classes": list(dataset.classes), "input": card.for_input(1, 8, 8, "bilinear")}
    return Task(network, dataset, said, predict(network, dataset.val), Micro(**micro))


def network(**parts: nn.Module) -> Tapped:
    """A convolution, these parts, and a linear layer, for the digits."""
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(1, 8, 3, 2, 1), **parts, "flat": nn.Flatten(), "fc": nn.LazyLinear(10)}
    module = nn.Sequential()
    for name, part in layers.items():
        module.add_module(name, part)
    module(torch.zeros(1, 1, 8, 8))
    module.fc.weight.data.mul_(20)  # so that the answers are no near ties
    return Tapped(module, Preparation((0.31,), (0.35,), 8), head="fc", stages=()).eval()


@pytest.fixture(scope="module", params=[("int8", False), ("uint8", True)], ids=["int8", "uint8 softmax"])
def exported(request, tmp_path_factory):
    """A task, what was told of its file, and where it is."""
    folder = tmp_path_factory.mktemp("mcu")
    task = task_of(network(act=nn.ReLU()), input=request.param[0], softmax=request.param[1])
    return task, export_file(task, "mcu", FORMATS["mcu"], folder), folder


def test_the_file_says_what_pytorch_says(exported):
    task, told, folder = exported
    assert told["same_predictions"] > 0.97
    assert told["litert_steps_apart"] <= (8 if task.micro.softmax else 1)
    pixels = task.dataset.val.plain(torch.arange(40)).numpy()
    shares = open_file(folder / told["file"]).infer(pixels)
    powers = np.exp(shares - shares.max(1, keepdims=True))
    expected = task.logits[:40].softmax(1).numpy()
    assert np.abs(powers / powers.sum(1, keepdims=True) - expected).max() < 0.05


def test_channels_without_weights_keep_their_biases(tmp_path):
    """Steadied networks have them; their scales are so fine that int32 cannot count the biases in them."""
    still = network(more=nn.Conv2d(8, 8, 3, 1, 1, groups=8))
    with torch.no_grad():
        for layer in (still.network.conv, still.network.more):
            layer.weight[:2] = 0.0
            layer.bias[:2] = torch.tensor([3.0, -2.0])
    told = export_file(task_of(still), "mcu", FORMATS["mcu"], tmp_path)
    assert told["same_predictions"] > 0.97
    assert told["sqnr_db"] > 20


def test_a_file_for_an_npu_stands_beside_and_is_checked_like_the_others(tmp_path):
    pytest.importorskip("ethosu", reason="pip install ethos-u-vela")
    task = task_of(network(act=nn.ReLU()), npu="ethos-u55-32")
    told = export_file(task, "mcu", FORMATS["mcu"], tmp_path)
    assert told["npu"]["cycles"] > 0
    assert told["npu"]["file"] in told["sha256"]
    with pytest.raises(UserError, match="compiled for Arm's NPU"):
        open_file(tmp_path / told["npu"]["file"])
    again = export_file(dataclasses.replace(task, micro=Micro()), "mcu", FORMATS["mcu"], tmp_path)
    assert "npu" not in again
    assert not (tmp_path / told["npu"]["file"]).exists(), "it was compiled from another file"


def test_it_is_full_int8_and_its_input_a_byte(exported):
    task, told, folder = exported
    program = flatbuffer.micro(folder / told["file"]).program
    unsigned = task.micro.input == "uint8"
    assert program.input.dtype == (np.uint8 if unsigned else np.int8)
    assert program.output.dtype == np.int8
    assert program.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert program.input.zero == round(0.31 * 255) - (0 if unsigned else 128)
    names = {one.name for one in graph.operators(folder / told["file"])}
    assert names - {"QUANTIZE", "SOFTMAX"} <= {"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "RESHAPE", "FULLY_CONNECTED",
                                               "TRANSPOSE"}  # fmt: skip
    assert ("QUANTIZE" in names, "SOFTMAX" in names) == (unsigned, task.micro.softmax)


def test_weights_are_aligned(exported):
    """Their bytes are read in place, biases as int32."""
    _, told, folder = exported
    from tflite_micro import runtime

    content = (folder / told["file"]).read_bytes()
    model = runtime.schema_fb.Model.GetRootAsModel(bytearray(content), 0)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    places = [content.index(one.DataAsNumpy().tobytes()) for one in buffers if one.DataLength() > 16]
    assert len(places) > 2
    assert not [place for place in places if place % 16]


def test_the_c_beside_it_holds_its_bytes_and_its_arena(exported):
    _, told, folder = exported
    text = (folder / "c" / "student_model.c").read_text()
    numbers = re.search(r"\{\n([\d,\s]+)\};", text)[1]
    model = bytes(int(word) for word in numbers.split(",") if word.strip())
    assert (folder / told["file"]).read_bytes().startswith(model)
    assert len(model) == told["flash_bytes"]["model"] == card.starts(folder / told["file"])
    arena = int(re.search(r"STUDENT_ARENA_BYTES (\d+)", (folder / "c" / "student_model.h").read_text())[1])
    assert told["ram_bytes"]["arena"] + 1024 <= arena < told["ram_bytes"]["arena"] + 1024 + 16
    if shutil.which("gcc"):
        words = ["gcc", "-Wall", "-Werror", "-c", "student_model.c", "-o", "student_model.o"]
        subprocess.run(words, cwd=folder / "c", check=True)


def test_what_does_not_fit_leaves_nothing(exported, tmp_path, monkeypatch):
    task, told, folder = exported

    def copy(network, images, micro, path):
        path.write_bytes((folder / told["file"]).read_bytes())

    monkeypatch.setattr(litert, "write_rounded", copy)
    tight = dataclasses.replace(task, micro=dataclasses.replace(task.micro, flash=1000, ram=10))
    with pytest.raises(UserError, match=r"the student does not fit: flash: .*; RAM: "):
        export_file(tight, "mcu", FORMATS["mcu"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_operator_that_is_lacking_is_named_with_its_layer(tmp_path):
    task = task_of(network(act=nn.GELU()))
    with pytest.raises(UserError, match=r"TensorFlow Lite Micro lacks what this student needs: \w+ \(of act\)"):
        export_file(task, "mcu", FORMATS["mcu"], tmp_path)
    assert list(tmp_path.iterdir()) == []
