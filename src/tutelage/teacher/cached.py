"""A teacher whose answers are read from a cache: on a CPU from the files, on a GPU from its memory where they fit."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage.teacher import storing
from tutelage.teacher.answer import Teacher, of_rows
from tutelage.teacher.cache import TeacherCache

RESIDENT = 1 << 30
"""Bytes of one view's answers up to which they are kept in a GPU's memory; larger ones are read batch by batch."""


class CachedTeacher(Teacher):
    """Answers from a cache; the pixels are not looked at.

    Args:
        cache: Filled for every view that will be asked.
        fields: What to answer: "logits", "embedding", "regions", "rotations".
    """

    def __init__(self, cache: TeacherCache, fields: Iterable[str]):
        self.cache = cache
        self.fields = tuple(dict.fromkeys(("logits", *fields)))
        self._resident: dict[tuple[str, int], Tensor] = {}

    def answer(self, pixels, sample, view):
        device, of_one = pixels.device, _the_only(view)
        if device.type == "cuda" and of_one is not None and self._hold(of_one, device):
            rows = sample.to(device, non_blocking=True)
            return of_rows({f: storing.decoded(self._resident[f, of_one][rows]) for f in self.fields})
        return of_rows({field: _moved(self.cache.rows(field, sample, view), device) for field in self.fields})

    def expect(self, sample, view):
        self.cache.expect(sample, view, self.fields)

    def _hold(self, view: int, device: torch.device) -> bool:
        """Copies a view's answers to the device, in place of the view before; False where they are too large."""
        if (self.fields[0], view) not in self._resident:
            shards = {field: self.cache.mapped(field, view) for field in self.fields}
            if sum(shard.nbytes for of_field in shards.values() for shard in of_field) > RESIDENT:
                return False
            self._resident = {
                (field, view): torch.from_numpy(np.concatenate(of_field)).to(device)
                for field, of_field in shards.items()
            }
        return True


def _moved(rows: Tensor, device: torch.device) -> Tensor:
    """Rows on the device; to a GPU they go while it computes: by way of memory that the system keeps in its place."""
    return rows.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else rows.to(device)


def _the_only(view: Int64[Tensor, " B"]) -> int | None:
    """The number that all have, where they lie on the CPU: nobody waits for a device to look."""
    if view.is_cuda or not len(view) or not bool((view == view[0]).all()):
        return None
    return int(view[0])
