"""A classifier of a few bytes: three logits, the mean of red, of green and of blue."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CARD = {"classes": ["red", "green", "blue"], "input": {"shape": [3, 4, 4], "interpolation": "bilinear"}}


def student(path: Path, card: dict | None = CARD) -> Path:
    """Writes the file; its card goes into the metadata."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Mul", ["flat", "ten"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    ten = numpy_helper.from_array(np.float32(10), "ten")
    graph = helper.make_graph(nodes, "means", [pixels], [logits], [ten])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if card is not None:
        helper.set_model_props(model, {"tutelage": json.dumps(card)})
    onnx.save(model, path)
    return path
