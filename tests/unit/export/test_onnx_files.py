"""ONNX files: self-contained, any batch size, int8 around what has weights."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import small
from tutelage import rng
from tutelage.edge.runtimes import open_file
from tutelage.export.onnx_files import BATCH, CALIBRATION_IMAGES, Views, calibration, quantize, quiet, write_openvino


@pytest.mark.parametrize("batch", [1, 5])
def test_any_batch_size_says_what_pytorch_says(task, onnx_file, batch):
    pixels = small.digits().val.plain(torch.arange(batch))
    (logits,) = onnxruntime.InferenceSession(onnx_file).run(["logits"], {"pixels": pixels.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, task.network(pixels).logits, atol=1e-4)


def test_one_file_holds_weights_and_card_and_no_trace_of_this_machine(task, onnx_file):
    assert [path.name for path in onnx_file.parent.iterdir()] == ["student.onnx"]
    model = onnx.load(onnx_file)
    assert json.loads({p.key: p.value for p in model.metadata_props}["tutelage"]) == json.loads(json.dumps(task.card))
    assert not any(node.metadata_props for node in model.graph.node)
    assert b".py" not in onnx_file.read_bytes()


def test_int8_has_a_scale_for_each_channel(task, onnx_file, tmp_path):
    path = tmp_path / "int8.onnx"
    path.write_bytes(onnx_file.read_bytes())
    quantize(path, calibration(task))
    graph = onnx.load(path).graph
    kernels = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    assert [kernel.dims[0] for kernel in kernels] == [4, 4, 8, 8]  # the student's widths, two convolutions a block
    scales = {t.name: t.dims for t in graph.initializer if t.name.endswith("_scale")}
    assert all(list(scales[f"{k.name.removesuffix('_quantized')}_scale"]) == [k.dims[0]] for k in kernels)


def test_calibration_is_the_same_training_images_whenever_it_is_asked(task):
    first, again = list(calibration(task)), list(calibration(task))
    assert sum(map(len, first)) == CALIBRATION_IMAGES
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    train = task.dataset.train
    sample = rng.permutation(0, 0, len(train))[:BATCH]
    assert torch.equal(first[0], train.plain(sample))
    views = Views(calibration(task))
    assert np.array_equal(views.get_next()["pixels"], first[0].numpy())


def test_what_converters_say_is_not_the_users(capsys):
    import logging
    import warnings

    with quiet():
        print("progress")
        warnings.warn("not yours", UserWarning, stacklevel=1)
        logging.getLogger("onnx").error("not yours")
    assert capsys.readouterr() == ("", "")
    assert logging.root.manager.disable == 0


def expected(task, batch):
    pixels = small.digits().val.plain(torch.arange(batch))
    with torch.inference_mode():
        return pixels.numpy(), task.network(pixels).logits.numpy()


def test_openvino_leaves_the_graph_and_its_weights_alone(task, tmp_path):
    pytest.importorskip("openvino")
    write_openvino(task, tmp_path / "student.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student.bin", "student.xml"]
    pixels, logits = expected(task, 3)
    np.testing.assert_allclose(open_file(tmp_path / "student.xml").infer(pixels), logits, atol=1e-4)
