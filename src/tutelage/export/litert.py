"""Writes flat buffers of LiteRT, channels last: in float, and in 8 bits for microcontrollers."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from tutelage.edge import card
from tutelage.edge.flatbuffer import as_bytes, interpreted, micro
from tutelage.export import c_files, environment, graph
from tutelage.export.folded import Probabilities, folded
from tutelage.export.needs import needs, refuse_too_large
from tutelage.export.onnx_files import calibration, quiet
from tutelage.export.resolver import RESOLVER
from tutelage.export.steady import steadied
from tutelage.export.task import Micro, Task

Ranges = dict[str, tuple[float, float]]


def write_litert(task: Task, path: Path) -> None:
    """Pixels in [0, 1], [1, H, W, C], to logits; the card is at the end of the file."""
    _convert(task.program, task.shape, path)
    card.append(path, task.card)


def write_micro(task: Task, path: Path) -> None:
    """int8 weights, a scale for each output channel, int8 activations; bytes in, logits or probabilities out.

    Scales are fixed, from the smallest and largest activation over the calibration images of onnx-int8; those of the
    input are a byte's. The same in C is in a folder beside the file.

    Raises:
        UserError: an operator that TensorFlow Lite Micro lacks, with the layer it comes from; a student that does not
            fit.
    """
    write_rounded(steadied(task.network, calibration(task)), calibration(task), task.micro, path)
    taken = needs(path)
    refuse_too_large(taken, task.micro.flash, task.micro.ram)
    beside, model, program = path.parent / c_files.FOLDER, path.read_bytes(), micro(path).program
    c_files.write(beside, model, program, task.card["classes"], taken, probabilities=task.micro.softmax)
    pixels = task.card["input"] | {"bytes": task.micro.input, "layout": "height, width, channels"}
    card.append(path, task.card | {"input": pixels, "output": task.micro.output})


def write_rounded(network: nn.Module, images: Iterable[Float32[Tensor, "B C H W"]], micro: Micro, path: Path) -> None:
    """A network in 8 bits, and nothing beside it.

    Args:
        network: From pixels in [0, 1] to `Outputs`, in eval mode, on the CPU.
        images: Those from which the ranges are taken, in batches.
        micro: What it takes and says.
        path: The new file.

    Raises:
        UserError: an operator that TensorFlow Lite Micro lacks.
    """
    batches = [batch.contiguous() for batch in images]
    shape = (int(batches[0].shape[1]), int(batches[0].shape[2]), int(batches[0].shape[3]))
    program, zero = folded(network, shape)
    if micro.softmax:
        program = Probabilities(program).eval()
    with tempfile.TemporaryDirectory() as made:
        plain, known, rounded = (Path(made) / name for name in ("float.tflite", "ranges.json", "int8.tflite"))
        _convert(program, shape, plain)
        graph.refuse_unknown(graph.operators(plain), RESOLVER)
        known.write_text(json.dumps(_ranges(plain, batches, zero)), encoding="utf-8")
        environment.run("quantize", plain, known, rounded)
        whole = graph.with_whole_biases(rounded.read_bytes(), plain.read_bytes())
        path.write_bytes(graph.lean(whole, unsigned=micro.input == "uint8", output=micro.output))


def _convert(network: nn.Module, shape: tuple[int, int, int], path: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        program = Path(made) / "network.pt2"
        with quiet():
            torch.export.save(torch.export.export(network, (torch.zeros(1, *shape),)), program)
        environment.run("convert", program, path)


def _ranges(path: Path, batches: Iterable[Tensor], zero: int) -> Ranges:
    """The smallest and largest value of every tensor of a float file; of its input they are known.

    Zero is in every range, and has to be: it is what convolutions pad with.
    """
    interpreter = interpreted(path, reference=True, experimental_preserve_all_tensors=True)
    made = {name for operator in graph.operators(path) for name in operator.outputs}
    (input_,) = interpreter.get_input_details()
    tensors = [tensor for tensor in interpreter.get_tensor_details() if tensor["name"] in made]
    watched = [tensor for tensor in tensors if tensor["dtype"] == np.float32]
    low, high = dict.fromkeys(made, 0.0), dict.fromkeys(made, 0.0)
    for batch in batches:
        for image in batch.split(1):
            pixels = as_bytes(image.numpy(), np.dtype(np.float32)) - np.float32(zero / 255)
            interpreter.set_tensor(input_["index"], pixels)
            interpreter.invoke()
            for tensor in watched:
                name, values = tensor["name"], interpreter.get_tensor(tensor["index"])
                low[name], high[name] = min(low[name], float(values.min())), max(high[name], float(values.max()))
    known = {input_["name"]: (-zero / 255, 1 - zero / 255)}
    return {name: (low[name], high[name]) for name in made} | known
