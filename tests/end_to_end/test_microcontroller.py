"""An exported student's C, built for a Cortex-M4 and run there, says bit for bit what the micro interpreter says here.

It needs the compiler, QEMU, a tree of TensorFlow Lite Micro, tutelage[mcu] and the converters; it says which it lacks.
"""

import numpy as np
import pytest
import torch

import cortex_m
import small
from tutelage.edge import card, flatbuffer
from tutelage.export import environment, litert
from tutelage.export.task import Micro, Task
from tutelage.measure.classifier import predict
from tutelage.models import DataSpec, Model
from tutelage.models.building import build


@pytest.fixture(autouse=True)
def _there():
    if missing := cortex_m.missing():
        pytest.skip(missing)
    for package in ("ai_edge_litert", "tflite_micro"):
        pytest.importorskip(package, reason="pip install 'tutelage[mcu]'")
    if not environment.ready():
        pytest.skip(environment.MAKE)


@pytest.mark.parametrize(("element", "softmax"), [("int8", False), ("uint8", True)])
def test_a_cortex_m_answers_bit_for_bit_as_the_interpreter_here(element, softmax, tmp_path):
    dataset = small.digits()
    network = build(Model("ds_cnn", options={"width": 8}), DataSpec(10, 1, 8, (0.31,), (0.35,))).eval()
    network.network.linear.weight.data.mul_(100)
    said = {"classes": list(dataset.classes), "input": card.for_input(1, 8, 8, "bilinear")}
    task = Task(network, dataset, said, predict(network, dataset.val), Micro(element, softmax))
    litert.write_micro(task, tmp_path / "student-int8.tflite")
    program = cortex_m.build(tmp_path / "c", tmp_path)
    here = flatbuffer.micro(tmp_path / "student-int8.tflite")
    pixels = torch.cat([dataset.val.plain(torch.arange(1)), torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)]).numpy()
    answers = []
    for image in pixels:
        picture = np.rint(image.transpose(1, 2, 0) * 255).astype(np.uint8)
        there = cortex_m.answer(program, picture.tobytes())
        expected = here.program.run(flatbuffer.as_bytes(image[None], here.program.input.dtype))[0].tolist()
        assert there.values == expected
        assert there.label == dataset.classes[int(np.argmax(expected))]
        assert here.arena().head < there.arena < here.arena().total
        answers.append(expected)
    # Probabilities of a network that has learnt nothing may all be a tenth.
    assert softmax or len({tuple(one) for one in answers}) == 3, "three pictures, three answers"
