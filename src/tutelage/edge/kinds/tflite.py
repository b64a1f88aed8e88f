"""Flat buffers of LiteRT (TensorFlow Lite), channels last, float or 8 bits: Android, microcontrollers."""

from importlib import import_module
from pathlib import Path

from tutelage.edge import card, flatbuffer
from tutelage.edge.runtimes import Opened, singly
from tutelage.errors import UserError

MODULE = "ai_edge_litert"
PACKAGE = "ai-edge-litert"
FOR_NPU = b"ethos-u"
"""The operator into which Arm's compiler puts the whole network."""


def open_file(path: Path) -> Opened:
    """LiteRT's interpreter on one thread, or the one for microcontrollers where that alone is installed."""
    content = path.read_bytes()
    if content[4:8] != flatbuffer.MARK:
        raise UserError(f"{path} is not a flat buffer of LiteRT", "tutelage export RUN --format mcu writes one")
    if FOR_NPU in content:
        raise UserError(
            f"{path} is compiled for Arm's NPU, which alone can run it",
            "the file of 8 bits that it was made from, student-int8.tflite, runs here",
        )
    try:
        import_module(MODULE)
        program = flatbuffer.litert(path)
    except ModuleNotFoundError:
        program = flatbuffer.micro(path).program
    return Opened(singly(flatbuffer.infer(program, path)), lambda: card.inside(path) or card.beside(path))
