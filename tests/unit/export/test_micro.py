"""What is measured of a file for microcontrollers, with interpreters that are made up."""

import dataclasses

import numpy as np
import pytest
import torch

from tutelage.edge.flatbuffer import Micro as Opened
from tutelage.edge.flatbuffer import Program, Tensor
from tutelage.errors import UserError
from tutelage.export import micro
from tutelage.export.needs import Needs
from tutelage.export.task import Micro

ASKED = Tensor((1, 8, 8, 1), np.dtype(np.int8), 1 / 255, 0)
SAID = Tensor((1, 10), np.dtype(np.int8), 0.25, 0)


@pytest.fixture
def interpreters(task, monkeypatch, tmp_path):
    """Both say the logits of PyTorch in steps of 0.25; LiteRT as many steps more as the list says."""
    (tmp_path / "a.tflite").write_bytes(b"____TFL3")
    steps = np.clip(np.rint(task.logits.numpy() * 4), -120, 120).astype(np.int8)
    more = [0]

    def by_hand(task, path, logits, infer):
        return {"logits": logits, "expected": task.logits, "infer": infer}

    def program(off: list[int]) -> Program:
        place = iter(range(len(steps)))
        return Program(ASKED, SAID, lambda pixels: steps[[next(place)]] + np.int8(off[0]))

    monkeypatch.setattr(micro, "micro", lambda path: Opened(program([0]), lambda: None))
    monkeypatch.setattr(micro, "litert", lambda path, reference: program(more))
    monkeypatch.setattr(micro, "needs", lambda path: Needs(1, 2, 3, 4, ("CONV_2D",)))
    monkeypatch.setattr(micro, "measured", by_hand)
    return more, steps


def test_every_image_is_run_by_both(task, interpreters, tmp_path):
    more, steps = interpreters
    more[0] = 2
    told = micro.measured_micro(task, tmp_path / "a.tflite")
    assert np.array_equal(told["logits"], steps / np.float32(4))
    assert torch.equal(told["expected"], task.logits)
    assert told["litert_steps_apart"] == 2
    assert (told["flash_bytes"]["total"], told["ram_bytes"]["arena"], told["output"]) == (3, 7, "logits")
    assert told["macs"] > 0


def test_a_file_for_an_npu_is_made_where_one_is_named(task, interpreters, tmp_path, monkeypatch):
    monkeypatch.setattr(micro.npu, "compiled", lambda path, name: {"npu": name, "beside": path.name})
    told = micro.measured_micro(dataclasses.replace(task, micro=Micro(npu="ethos-u55-32")), tmp_path / "a.tflite")
    assert told["npu"] == {"npu": "ethos-u55-32", "beside": "a.tflite"}
    assert "npu" not in micro.measured_micro(task, tmp_path / "a.tflite")


def test_a_disagreement_is_an_error(task, interpreters, tmp_path):
    interpreters[0][0] = 3
    with pytest.raises(UserError, match=rf"disagree about {len(task.logits)} of .* by up to 3 of 256 steps"):
        micro.measured_micro(task, tmp_path / "a.tflite")


def test_probabilities_are_compared_with_pytorchs(task, interpreters, tmp_path):
    told = micro.measured_micro(dataclasses.replace(task, micro=Micro(softmax=True)), tmp_path / "a.tflite")
    torch.testing.assert_close(told["expected"].exp().sum(1), torch.ones(len(task.logits)))
    assert told["output"] == "probabilities"


def test_picture_files_are_run_by_the_micro_interpreter_too(task, interpreters, tmp_path, monkeypatch):
    microcontroller = micro.micro(tmp_path / "a.tflite").program
    monkeypatch.setattr(micro, "micro", lambda path: Opened(microcontroller, lambda: None))
    monkeypatch.setattr(micro, "infer", lambda program, path: lambda pixels: np.array([program is microcontroller]))
    told = micro.measured_micro(task, tmp_path / "a.tflite")
    assert told["infer"](np.zeros((2, 1, 8, 8), np.float32)).tolist() == [True, True]
