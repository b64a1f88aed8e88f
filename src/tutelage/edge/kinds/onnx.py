"""ONNX files, run by ONNX Runtime."""

import platform
from functools import cache
from pathlib import Path

import numpy as np

from tutelage.edge import card
from tutelage.edge.card import Card
from tutelage.edge.runtimes import Opened
from tutelage.errors import UserError

MODULE = PACKAGE = "onnxruntime"


def open_file(path: Path) -> Opened:
    """A session on one thread; its card is in the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if _saturates():
        # Another way of computing 8-bit products: a third slower, and right.
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # onnxruntime's exceptions share no base class but Exception.
    except Exception as error:
        reason = str(error).rpartition(" : ")[2].splitlines()[0]
        raise UserError(
            f"{path} is not an ONNX file that can be run: {reason}", "tutelage export RUN writes one"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs", "expected a classifier with one of each"
        )
    name, output = inputs[0].name, outputs[0].name
    said = session.get_modelmeta().custom_metadata_map

    def own_card() -> Card:
        if card.KEY not in said:
            return card.beside(path)
        return Card.of(card.parsed(said[card.KEY], f"{path}'s metadata"), f"{path}'s metadata")

    return Opened(lambda pixels: np.asarray(session.run([output], {name: pixels})[0]), own_card)


@cache
def _saturates() -> bool:
    """Whether this processor's 16-bit sums of 8-bit products may overflow: x86 that does not say it has VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    told = Path("/proc/cpuinfo")
    return not (told.exists() and "vnni" in told.read_text())
