"""Exported files by their suffix: run, or refused with what is missing."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import pictures
from tutelage.edge import runtimes
from tutelage.edge.runtimes import KINDS, open_file
from tutelage.errors import UserError


def test_an_onnx_file_says_what_its_graph_computes(tmp_path):
    opened = open_file(pictures.student(tmp_path / "student.onnx"))
    pixels = np.random.default_rng(0).random((5, 3, 4, 4), np.float32)
    np.testing.assert_allclose(opened.infer(pixels), 10 * pixels.mean((2, 3)), rtol=1e-5)
    assert opened.card().classes == ("red", "green", "blue")


def test_the_card_inside_goes_before_the_one_beside(tmp_path):
    (tmp_path / "card.json").write_text('{"classes": ["other"], "input": {"shape": [3, 4, 4]}}')
    assert open_file(pictures.student(tmp_path / "own.onnx")).card().classes == ("red", "green", "blue")
    assert open_file(pictures.student(tmp_path / "bare.onnx", card=None)).card().classes == ("other",)


def test_two_inputs_are_no_classifier(tmp_path):
    kind = TensorProto.FLOAT
    names = [helper.make_tensor_value_info(name, kind, [1, 3]) for name in ("a", "b", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "sum", names[:2], names[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "sum.onnx")
    with pytest.raises(UserError, match="has 2 inputs and 1 outputs"):
        open_file(tmp_path / "sum.onnx")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_runtime_that_is_not_installed_is_named(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"student{suffix}"
    path.write_bytes(b"")
    kind = runtimes.kind_of(path)

    def absent(path):
        raise ModuleNotFoundError(name=kind.module)

    monkeypatch.setattr(runtimes, "kind_of", lambda path: kind._replace(open=absent))
    with pytest.raises(UserError, match=f"needs {kind.package} to run") as error:
        open_file(path)
    assert error.value.hint == f"pip install {kind.package}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("student.bin", b"", "is of no kind that can be run"),
        ("gone.onnx", None, "there is no file"),
        ("broken.onnx", b"not a graph", "is not an ONNX file that can be run"),
        ("broken.pt2", b"not a program", "is not a program of torch.export"),
    ],
)
def test_what_cannot_be_run_is_told(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_file(tmp_path / name)
