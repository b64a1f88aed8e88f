"""Writes the student as one self-contained ONNX file, in float32 or with int8 weights and activations."""

import contextlib
import dataclasses
import io
import json
import logging
import warnings
from collections.abc import Generator, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from tutelage import rng
from tutelage.edge.card import KEY
from tutelage.export.steady import steadied
from tutelage.export.task import Task

CALIBRATION_IMAGES = 512
"""Training images from whose activations the int8 ranges are taken."""
BATCH = 64


def write_onnx(task: Task, path: Path) -> None:
    """Input "pixels" [batch, channels, height, width] in [0, 1], output "logits"; the card is in the metadata."""
    import onnx

    example = torch.zeros(2, *task.shape)
    batch = torch.export.Dim("batch", min=1)
    # The exporter reports its progress on stdout, which is for data, and warns of things that are not the user's.
    with quiet():
        program = torch.onnx.export(
            task.program,
            (example,),
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)
    model = onnx.load(path)
    # Which line of Python each node came from: of no use on a device, and a tenth of a small file.
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, model.graph):
        part.ClearField("metadata_props")
    onnx.helper.set_model_props(model, {KEY: json.dumps(task.card)})
    onnx.save(model, path)


def write_openvino(task: Task, path: Path) -> None:
    """OpenVINO's pair: the graph as .xml, its float32 weights as .bin. Any batch size."""
    openvino = import_module("openvino")
    onnx = path.with_suffix(".onnx")
    write_onnx(task, onnx)
    with quiet():
        openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)
    onnx.unlink()


def write_int8(task: Task, path: Path) -> None:
    """The same with 7-bit weights, a scale for each output channel, and uint8 activations, a scale for each tensor.

    Scales are fixed (static), from the smallest and largest activation over `CALIBRATION_IMAGES` training images; the
    arithmetic is written as QuantizeLinear and DequantizeLinear around float operators, which runtimes fuse. What
    comes before the first convolution (resizing, normalisation) stays float. With weights of 7 bits (-64 to 64:
    see `steady.LARGEST_WEIGHT`) every processor computes the same: docs/results/int8.md.
    """
    write_onnx(dataclasses.replace(task, network=steadied(task.network, calibration(task))), path)
    quantize(path, calibration(task))


def quantize(path: Path, batches: Iterable[Float32[torch.Tensor, "B C H W"]], **other: Any) -> None:
    """Turns a float file into its int8 form, in place.

    Args:
        path: The file.
        batches: The images over which the activations' ranges are taken.
        other: Settings of `quantize_static` in place of ours, to compare them.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    settings: dict[str, Any] = {
        "quant_format": QuantFormat.QDQ,
        "per_channel": True,
        # Signed activations take twice the time: ONNX Runtime's x86 kernels fuse unsigned ones only.
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        # 7 bits: see `steady.LARGEST_WEIGHT`.
        "reduce_range": True,
        "calibrate_method": CalibrationMethod.MinMax,
        "nodes_to_exclude": _preprocessing(path),
    }
    views: Any = Views(batches)  # any object with get_next will do
    with quiet():
        quantize_static(onnx.load(path), path, views, **(settings | other))


class Views:
    """The calibration images in the form onnxruntime asks for them."""

    def __init__(self, batches: Iterable[Float32[torch.Tensor, "B C H W"]]):
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch.numpy()}


def calibration(task: Task) -> Iterator[Float32[torch.Tensor, "B C H W"]]:
    """The first training images in the order of seed 0, as a device sees them: the same whenever they are asked for."""
    images = task.dataset.train
    for position in rng.permutation(0, 0, len(images))[:CALIBRATION_IMAGES].split(BATCH):
        yield images.plain(position).contiguous()


def _preprocessing(path: Path) -> list[str]:
    """Names of the nodes before the first one with a matrix or a kernel of weights."""
    import onnx

    graph = onnx.load(path).graph
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) >= 2 and max(tensor.dims) > 1}
    names = []
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and weights & set(node.input):
            break
        names.append(node.name)
    return names


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """No warnings, no log lines and nothing on stdout: what converters say is not the user's."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
