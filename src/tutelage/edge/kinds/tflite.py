"""Flat buffers of LiteRT (TensorFlow Lite), channels last, float or 8 bits: Android, microcontrollers."""

from importlib import import_module
from pathlib import Path

from tutelage.edge import card, flatbuffer
from tutelage.edge.runtimes import Opened, singly
from tutelage.errors import UserError

MODULE = "ai_edge_litert"
PACKAGE = "ai-edge-litert"


def open_file(path: Path) -> Opened:
    """LiteRT's interpreter on one thread, or the one for microcontrollers where that alone is installed."""
    if path.read_bytes()[4:8] != flatbuffer.MARK:
        raise UserError(f"{path} is not a flat buffer of LiteRT", "tutelage export RUN --format mcu writes one")
    try:
        import_module(MODULE)
        program = flatbuffer.litert(path)
    except ModuleNotFoundError:
        program = flatbuffer.micro(path).program
    return Opened(singly(flatbuffer.infer(program, path)), lambda: card.inside(path) or card.beside(path))
