"""A file is asked about picture files as a device is, and what differs there is an error of the export."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

import small
from tutelage import data
from tutelage.data import Data
from tutelage.edge import card
from tutelage.edge.card import Card
from tutelage.edge.pixels import as_input
from tutelage.edge.runtimes import open_file
from tutelage.errors import UserError
from tutelage.export import export_file, from_files
from tutelage.export.formats import FORMATS
from tutelage.export.measuring import run_file
from tutelage.export.task import Task
from tutelage.measure.classifier import predict
from tutelage.outputs import Outputs


class Templates(nn.Module):
    """Answers with the most similar of ten digits: a network whose answers differ without having learnt."""

    def __init__(self) -> None:
        super().__init__()
        digits = small.digits().train
        first = torch.stack([(digits.labels == label).nonzero()[0, 0] for label in range(10)])
        shown = digits.plain(first).flatten(1)
        self.layer = nn.Linear(64, 10)
        self.layer.weight.data = shown - shown.mean(1, keepdim=True)
        self.layer.bias.data.zero_()

    def forward(self, pixels: torch.Tensor) -> Outputs:
        return Outputs(self.layer(pixels.flatten(1)))


@pytest.fixture(scope="module")
def task():
    dataset, network = small.digits(), Templates().eval()
    said = {"classes": list(dataset.classes), "input": card.for_input(1, 8, 8, "bilinear")}
    return Task(network, dataset, said, predict(network, dataset.val))


@pytest.fixture(scope="module")
def path(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    export_file(task, "onnx", FORMATS["onnx"], folder)
    return folder / "student.onnx"


def test_the_same_pixels_get_the_same_answers(task, path):
    logits = run_file(path, task.dataset.val)
    told = from_files.from_files(path, task.dataset.val, logits)
    assert told["largest_difference"] < 1e-5
    assert told | {"largest_difference": 0} == {
        "images": 144,
        "top1": float((logits.argmax(1) == task.dataset.val.labels.numpy()).mean()),
        "drop": 0.0,
        "changed": 0,
        "wrong": 0,
        "largest_difference": 0,
    }


def test_of_many_pictures_some_are_drawn_always_the_same(task, path, monkeypatch):
    monkeypatch.setattr(from_files, "PICTURES", 20)
    logits = run_file(path, task.dataset.val)
    one, other = (from_files.from_files(path, task.dataset.val, logits) for _ in range(2))
    assert one == other
    assert one["images"] == 20


@pytest.mark.parametrize(("apart", "wrong"), [(5e-4, 0), (5e-3, 1)])
def test_what_rounding_alone_decides_is_not_wrong(task, path, apart, wrong):
    logits = run_file(path, task.dataset.val)
    best, second = np.argsort(-logits[0])[:2]
    closest = (logits[0, best] + logits[0, second]) / 2

    def answers(pixels: np.ndarray) -> np.ndarray:
        said = logits[next(asked)][None].copy()
        if said[0].tolist() == logits[0].tolist():
            said[0, [best, second]] = closest + apart / 2, closest - apart / 2
        return said

    asked, opened = iter(range(len(logits))), open_file(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(from_files, "open_file", lambda _: opened._replace(infer=answers))
        expected = logits.copy()
        expected[0, [best, second]] = closest - apart / 2, closest + apart / 2
        told = from_files.from_files(path, task.dataset.val, expected)
    assert (told["changed"], told["wrong"]) == (1, wrong)
    assert told["largest_difference"] == pytest.approx(apart, rel=1e-2)


@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_other_pixels_are_an_error_and_no_file_appears(task, name, tmp_path, monkeypatch):
    mirrored = from_files.upright
    monkeypatch.setattr(from_files, "upright", lambda *asked: ImageOps.mirror(mirrored(*asked)))
    with pytest.raises(UserError, match=rf"{name} has .* on the picture files of val, .* answers differ\): the file"):
        export_file(task, name, FORMATS[name], tmp_path, force=True)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_is_its_very_file_and_another_image_a_png(task, tmp_path):
    folder = small.photos(tmp_path / "colours", splits=("train", "val", "test"))
    val = data.load(Data(str(folder))).val
    written = {path.read_bytes() for path in (folder / "val").rglob("*.png")}
    assert {from_files.file_of(val, i) for i in range(len(val))} == written
    digits = task.dataset.val
    with Image.open(io.BytesIO(from_files.file_of(digits, 5))) as picture:
        expected = digits.plain(torch.tensor([5])).numpy()
        assert np.array_equal(as_input(picture, Card((), (1, 8, 8))), expected)


@pytest.mark.parametrize(("name", "drop", "wrong", "kept"), [
    ("onnx", 0.0, 1, False),
    ("onnx", 0.0, 0, True),
    ("onnx-int8", 0.0, 1, True),
    ("onnx-int8", -0.002, 1, False),
])  # fmt: skip
def test_a_changed_answer_is_an_error_in_float_and_another_accuracy_in_all(name, drop, wrong, kept, tmp_path):
    again = {"images": 500, "top1": 0.5, "drop": drop, "changed": 1, "wrong": wrong}
    told = {"val_top1": 0.5, "images": 500, "drop": 0.0, "from_files": again}
    row = FORMATS[name]._replace(write=lambda task, path: path.write_bytes(b"a file"), measure=lambda task, path: told)
    task = Task(Templates(), small.digits(), {}, torch.zeros(144, 10))
    if kept:
        assert export_file(task, name, row, tmp_path) == told
    else:
        with pytest.raises(UserError, match=r"1 answers differ\): the file is not kept"):
            export_file(task, name, row, tmp_path)
    assert (tmp_path / row.file).exists() == kept
