"""An int8 file means the same on every processor, in a session that anybody opens."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import small
from tutelage.edge.processor import instruction_sets
from tutelage.export.onnx_files import quantize, quiet, write_int8
from tutelage.export.task import Task

LARGEST_ACTIVATION = 255
INT16 = 32767


def weights(path) -> list[np.ndarray]:
    """The int8 matrices and kernels of a file."""
    tensors = onnx.load(path).graph.initializer
    return [numpy_helper.to_array(t) for t in tensors if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1]


@pytest.mark.parametrize("model", [small.NORMED, small.TEACHER], ids=lambda model: model.name)
def test_no_two_products_leave_16_bits(model, tmp_path):
    """x86 with AVX2 and no VNNI multiplies pairs of uint8 and int8 and adds them in int16, with saturation."""
    network = small.network(model)
    write_int8(Task(network, small.digits(), {}, torch.zeros(0, 10)), tmp_path / "int8.onnx")
    found = weights(tmp_path / "int8.onnx")
    assert len(found) == sum(isinstance(part, nn.Conv2d | nn.Linear) for part in network.modules())
    for one in found:
        assert np.abs(one.astype(int)).max(initial=0) * 2 * LARGEST_ACTIVATION <= INT16
        assert (np.abs(one.astype(int)).reshape(len(one), -1).max(1) == 64).mean() > 0.9, "7 bits are used"


def test_the_largest_products_are_added_right_on_this_processor(tmp_path):
    """Every weight and every activation as large as it can be: with weights of 8 bits AVX2 answers half of it."""
    layer = nn.Conv2d(8, 4, 3, bias=False)
    nn.init.ones_(layer.weight)
    pixels = torch.ones(1, 8, 6, 6)
    with quiet():
        torch.onnx.export(layer, (pixels,), input_names=["pixels"], dynamo=True, verbose=False).save(
            tmp_path / "one.onnx"
        )
    quantize(tmp_path / "one.onnx", [pixels])
    session = onnxruntime.InferenceSession(tmp_path / "one.onnx", providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"pixels": pixels.numpy()})
    np.testing.assert_allclose(said, 72.0, rtol=0.01, err_msg=f"8-bit products by {instruction_sets()}")
