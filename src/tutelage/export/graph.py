"""Reads and rewrites the graph of a flat buffer: its operators, and what a microcontroller does not need of it."""

import copy
import re
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage.errors import UserError

BIAS = 1 << 20
"""Steps of a bias whose channel has no weights."""


class Operator(NamedTuple):
    """One step of a graph."""

    name: str
    """As LiteRT's schema calls it, CONV_2D."""
    layer: str
    """The layer of the network it comes from; empty: none is known."""
    outputs: tuple[str, ...]
    """The names of the tensors it makes."""


def operators(path: Path) -> list[Operator]:
    """The steps of a file, in their order."""
    graph = import_module("tflite_micro").runtime.schema_fb
    model = _model(path.read_bytes())
    (subgraph,) = model.subgraphs
    names = {code: name for name, code in vars(graph.BuiltinOperator).items() if not name.startswith("_")}
    listed = []
    for operator in subgraph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        custom = (code.customCode or b"").decode()
        outputs = tuple(subgraph.tensors[index].name.decode() for index in operator.outputs)
        name = custom or names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        listed.append(Operator(name, layer(outputs[0]), outputs))
    return listed


def layer(tensor: str) -> str:
    """The deepest layer that a tensor's name names.

    >>> layer("W/b.UnflattenedModule_wrapped;;W/a.InterpreterModule_layer1/a.InterpreterModule_0;1")
    'layer1.0'
    """
    paths = [re.findall(r"InterpreterModule_(\w+)", part) for part in tensor.split(";;")]
    return ".".join(max(paths, key=len))


def refuse_unknown(operators: Iterable[Operator], known: Iterable[str]) -> None:
    """Raises UserError where there are operators that are not known, each with its layer."""
    known = set(known)
    unknown = [operator for operator in operators if operator.name not in known]
    lacking = {operator.name: operator.layer or "the network itself" for operator in reversed(unknown)}
    if lacking:
        words = ", ".join(f"{name} (of {where})" for name, where in lacking.items())
        raise UserError(
            f"TensorFlow Lite Micro lacks what this student needs: {words}",
            "choose a student of plain convolutions and ReLUs, resnet8 for example",
        )


def with_whole_biases(content: bytes, plain: bytes) -> bytes:
    """A file of 8 bits in which no bias is cut off.

    The quantizer gives a channel whose weights are all 0, as `steady` makes them, so fine a scale that its bias does
    not fit into 32 bits. Any scale suits such a channel: it gets one in which its bias is +-`BIAS`.

    Args:
        content: Of the file.
        plain: Of the float file it was made from, whose tensors have the same names.
    """
    model, exact = _model(content), _model(plain)
    (subgraph,) = model.subgraphs
    known = {tensor.name: exact.buffers[tensor.buffer].data for tensor in exact.subgraphs[0].tensors}
    users = Counter(tensor.buffer for tensor in subgraph.tensors)
    for step in subgraph.operators:
        if len(step.inputs) != 3 or step.inputs[2] < 0:
            continue
        entering, weights, bias = (subgraph.tensors[index] for index in step.inputs)
        if bias.name not in known:
            continue
        values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32).copy()
        cut = np.isin(values, (np.iinfo(np.int32).min, np.iinfo(np.int32).max))
        if not cut.any():
            continue
        wanted = np.frombuffer(bytes(known[bias.name]), np.float32)[cut]
        values[cut] = np.where(wanted < 0, -BIAS, BIAS)
        finer = np.array(bias.quantization.scale, np.float32)
        finer[cut] = np.abs(wanted) / BIAS
        scales = np.array(weights.quantization.scale, np.float32)
        scales[cut] = finer[cut] / entering.quantization.scale[0]
        kernels = np.frombuffer(bytes(model.buffers[weights.buffer].data), np.int8).reshape(weights.shape).copy()
        np.moveaxis(kernels, weights.quantization.quantizedDimension, 0)[cut] = 0
        for tensor, data, scale in ((bias, values, finer), (weights, kernels, scales)):
            tensor.quantization.scale = scale
            if users[tensor.buffer] > 1:  # equal constants share one
                users[tensor.buffer] -= 1
                tensor.buffer = len(model.buffers)
                model.buffers.append(copy.copy(model.buffers[0]))
            model.buffers[tensor.buffer].data = np.frombuffer(data.tobytes(), np.uint8)
    return _packed(model, len(content))


def lean(content: bytes, *, unsigned: bool, output: str) -> bytes:
    """A file of 8 bits without the names of its tensors, which nothing reads on a device.

    Args:
        content: Of the file.
        unsigned: Whether its input becomes uint8: one more operator, QUANTIZE, which moves bytes by 128.
        output: The name of its output; its input becomes "pixels".
    """
    graph = import_module("tflite_micro").runtime.schema_fb
    model = _model(content)
    (subgraph,) = model.subgraphs
    for tensor in subgraph.tensors:
        tensor.name = b""
    if unsigned:
        _take_bytes(graph, model, subgraph)
    subgraph.tensors[subgraph.inputs[0]].name = b"pixels"
    subgraph.tensors[subgraph.outputs[0]].name = output.encode()
    return _packed(model, len(content))


def _packed(model: Any, size: int) -> bytes:
    builder = _aligned(import_module("flatbuffers").Builder)(size)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _take_bytes(graph: Any, model: Any, subgraph: Any) -> None:
    """Puts QUANTIZE from uint8 before the first operator."""
    (inner,) = subgraph.inputs
    signed = subgraph.tensors[inner]
    tensor = graph.TensorT()
    tensor.shape, tensor.type, tensor.buffer, tensor.hasRank = signed.shape, graph.TensorType.UINT8, 0, True
    tensor.quantization = graph.QuantizationParametersT()
    tensor.quantization.scale = signed.quantization.scale
    tensor.quantization.zeroPoint = [int(signed.quantization.zeroPoint[0]) + 128]
    subgraph.tensors.append(tensor)
    outer = len(subgraph.tensors) - 1
    code = graph.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = graph.BuiltinOperator.QUANTIZE
    code.version = 1
    model.operatorCodes.append(code)
    step = graph.OperatorT()
    step.opcodeIndex, step.inputs, step.outputs = len(model.operatorCodes) - 1, [outer], [inner]
    subgraph.operators.insert(0, step)
    subgraph.inputs = [outer]
    for signature in model.signatureDefs or ():
        for entry in signature.inputs:
            entry.tensorIndex = outer


def _model(content: bytes) -> Any:
    model = import_module("tflite_micro").runtime.convert_bytearray_to_object(bytearray(content))
    for buffer in model.buffers:
        # A large model's weights may lie behind the flat buffer; a microcontroller reads them inside alone.
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _aligned(builder: Any) -> type:
    """The builder, whose vectors of bytes begin at multiples of 16: weights are read in place, as int32 too."""

    def start(self: Any, size: int, count: int, alignment: int) -> Any:
        return builder.StartVector(self, size, count, 16 if size == 1 else alignment)

    return type("Aligned", (builder,), {"StartVector": start})
