"""OpenVINO's pairs of files: the graph as .xml, its weights as .bin."""

from importlib import import_module
from pathlib import Path

from tutelage.edge import card
from tutelage.edge.runtimes import Opened

MODULE = PACKAGE = "openvino"


def open_file(path: Path) -> Opened:
    """Compiled for one thread, computing in float32 where the file does not say int8."""
    openvino = import_module("openvino")
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return Opened(lambda pixels: compiled(pixels)[0].copy(), lambda: card.beside(path))
