"""Converts to flat buffers of LiteRT, as a program of its own: `python converter.py convert|quantize ...`.

It runs in the converters' environment, whose packages do not get on with PyTorch's newest (see `environment.py`), so it
imports nothing of tutelage: a program of torch.export comes in, or a flat buffer and JSON, and a flat buffer goes out.
"""

import json
import sys
from importlib import import_module
from pathlib import Path


def convert(program: Path, out: Path) -> None:
    """A float program of one input [1, C, H, W] as a flat buffer whose input is [1, H, W, C]."""
    import torch

    litert = import_module("litert_torch")
    exported = torch.export.load(program)
    (example,) = exported.example_inputs[0]
    # With its modules again: their names are in the file's tensors.
    channels_last = litert.to_channel_last_io(torch.export.unflatten(exported).eval(), args=[0])
    litert.convert(channels_last, (example.permute(0, 2, 3, 1).contiguous(),)).export(str(out))


def quantize(file: Path, ranges: Path, out: Path) -> None:
    """The same with int8 weights, a scale for each channel, and int8 activations.

    Args:
        file: A float flat buffer.
        ranges: JSON: {tensor: [smallest, largest]}.
        out: The new one.
    """
    import numpy as np

    quantizer = import_module("ai_edge_quantizer.quantizer").Quantizer(str(file))
    quantizer.load_quantization_recipe(import_module("ai_edge_quantizer.recipe").static_wi8_ai8())
    known = {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in json.loads(ranges.read_text(encoding="utf-8")).items()
    }
    out.write_bytes(quantizer.quantize(known).quantized_model)


if __name__ == "__main__":
    work = {"convert": convert, "quantize": quantize}[sys.argv[1]]
    try:
        work(*map(Path, sys.argv[2:]))
    # Converters raise whatever comes; the last line is all that the caller repeats.
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0]}")
