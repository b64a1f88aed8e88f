"""Writes the student for other runtimes; each converter is imported when it is asked for."""

from importlib import import_module
from pathlib import Path

import torch

from tutelage.export.onnx_files import quiet, write_onnx
from tutelage.export.task import Pixels, Task


def write_torch(task: Task, path: Path) -> None:
    """A program of torch.export: PyTorch runs it without the code that made it. Any batch size."""
    with quiet():
        batch = torch.export.Dim("batch", min=1)
        example = torch.zeros(2, *task.shape)
        program = torch.export.export(Pixels(task.network).eval(), (example,), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)


def write_openvino(task: Task, path: Path) -> None:
    """OpenVINO's pair: the graph as .xml, its float32 weights as .bin. Any batch size."""
    openvino = import_module("openvino")
    onnx = path.with_suffix(".onnx")
    write_onnx(task, onnx)
    with quiet():
        openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)
    onnx.unlink()


def write_executorch(task: Task, path: Path) -> None:
    """A program of ExecuTorch with XNNPACK's kernels; one image at a time."""
    with quiet():
        exir = import_module("executorch.exir")
        xnnpack = import_module("executorch.backends.xnnpack.partition.xnnpack_partitioner")
        program = torch.export.export(Pixels(task.network).eval(), (torch.zeros(1, *task.shape),))
        lowered = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)


def write_litert(task: Task, path: Path) -> None:
    """A flat buffer of LiteRT (TensorFlow Lite); one image at a time, channels first."""
    with quiet():
        converter = import_module("litert_torch")
        converter.convert(Pixels(task.network).eval(), (torch.zeros(1, *task.shape),)).export(str(path))
