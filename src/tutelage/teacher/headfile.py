"""Keeps a teacher's last linear layer beside its answers: head.safetensors in the folder of a cache."""

import logging
from pathlib import Path
from typing import Any

from tutelage import sealed
from tutelage.errors import Damaged
from tutelage.outputs import Head

log = logging.getLogger(__name__)

HEAD_FILE = "head.safetensors"
"""In a cache's folder: `weight` and `bias`; no tensors where the teacher has no such layer."""


def read(folder: Path) -> Head | None:
    """The layer in a cache's folder; None where the teacher has none, or was not asked yet.

    Raises:
        Damaged: the file is not as it was written.
    """
    path = folder / HEAD_FILE
    if not path.exists():
        return None
    tensors = sealed.read_tensors(path, _what(path))
    return Head(tensors["weight"], tensors["bias"]) if tensors else None


def write(folder: Path, network: Any) -> None:
    """Writes a network's last layer once; and again where the file is damaged."""
    path = folder / HEAD_FILE
    try:
        if path.exists():
            sealed.read_tensors(path, _what(path))
            return
    except Damaged as damaged:
        log.warning("%s; it is written again", damaged.message)
    head = network.sizes().head
    tensors = {} if head is None else {"weight": head.weight.cpu().contiguous(), "bias": head.bias.cpu()}
    sealed.write_tensors(path, tensors, _what(path))


def _what(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
