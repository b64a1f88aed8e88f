"""ONNX files, run by ONNX Runtime."""

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
    metadata = session.get_modelmeta().custom_metadata_map

    def own_card() -> Card:
        if card.KEY not in metadata:
            return card.beside(path)
        return Card.of(card.parsed(metadata[card.KEY], f"{path}'s metadata"), f"{path}'s metadata")

    return Opened(lambda pixels: np.asarray(session.run([output], {name: pixels})[0]), own_card)
