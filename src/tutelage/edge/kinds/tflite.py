"""Flat buffers of LiteRT (TensorFlow Lite): Android, microcontrollers."""

from importlib import import_module
from pathlib import Path

import numpy as np

from tutelage.edge import card
from tutelage.edge.runtimes import Opened, Student, singly

MODULE = "ai_edge_litert"
PACKAGE = "ai-edge-litert"


def write(student: Student, path: Path) -> None:
    """One image at a time, channels first."""
    import torch

    converter = import_module("litert_torch")
    converter.convert(student.program, (torch.zeros(1, *student.shape),)).export(str(path))


def open_file(path: Path) -> Opened:
    """An interpreter on one thread."""
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    asked, said = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(pixels: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(asked, pixels)
        interpreter.invoke()
        return interpreter.get_tensor(said)

    return Opened(singly(one), lambda: card.beside(path))
