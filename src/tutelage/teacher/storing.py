"""Says how a row of answers is stored: as float32, as float16, or its logits in 8 bits with a scale of their own.

A row of 8 bits holds two float32, its smallest logit and a step, and then for each class how many steps it is above:
C + 8 bytes in place of 2 C. Embeddings are stored as float16 then: no loss tells how much of them may be rounded.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from tutelage.errors import UserError

BYTES = "int8"
"""The storage of logits in 8 bits."""
_BEFORE = 8
"""Bytes before the steps of a row."""
_EXACT = 2e-3
"""How far a recomputed answer may be off, by the largest logit: float16 keeps 11 bits, other kernels differ."""


def tolerance(storage: str) -> float:
    """How far a stored answer may be off a recomputed one, by the largest logit."""
    return _EXACT + (2 / 510 if storage == BYTES else 0)  # half a step of a row from -max to max


def row_bytes(storage: str, field: str, width: int) -> int:
    """The size of a row of so many columns."""
    kind = _kind(storage, field)
    return _BEFORE + width if kind == BYTES else width * np.dtype(kind).itemsize


def encoded(rows: Float[Tensor, "B C"], field: str, storage: str) -> np.ndarray:
    """Rows as they are stored.

    Raises:
        UserError: they are not finite, or not in this storage.
    """
    kind = _kind(storage, field)
    stored = _in_steps(rows.float()) if kind == BYTES else rows.to(getattr(torch, kind))
    if not rows.isfinite().all() or not decoded(stored).isfinite().all():
        wider = ', or set teacher.storage = "float32"' if rows.isfinite().all() else ""
        raise UserError(
            f"the teacher's {field} are not finite in {storage}", f"look at its weights and normalisation{wider}"
        )
    return stored.numpy()


def decoded(stored: Tensor) -> Float32[Tensor, "B C"]:
    """What was stored, on its device."""
    if stored.dtype != torch.uint8:
        return stored.float()
    low, step = stored[:, :_BEFORE].contiguous().view(torch.float32).split(1, dim=1)
    return stored[:, _BEFORE:].float().mul_(step).add_(low)


def divergence(rows: Float[Tensor, "B C"], stored: np.ndarray) -> Float32[Tensor, " B"]:
    """KL(full row || stored row) of the classes' probabilities, in nats."""
    log_p, log_q = (torch.log_softmax(z.double(), 1) for z in (rows, decoded(torch.from_numpy(stored))))
    return (log_p.exp() * (log_p - log_q)).sum(1).clamp_min(0).float()


def _in_steps(rows: Float32[Tensor, "B C"]) -> Tensor:
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    step = (high - low) / 255
    steps = ((rows - low) / step.clamp_min(torch.finfo(torch.float32).tiny)).round().to(torch.uint8)
    return torch.cat([torch.cat([low, step], 1).view(torch.uint8), steps], 1)


def _kind(storage: str, field: str) -> str:
    return "float16" if storage == BYTES and field != "logits" else storage
