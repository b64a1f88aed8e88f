"""Rows of a cache on a device: those of the addresses, brought there without waiting for it."""

import pytest
import torch

import small
from tutelage.run.process import Process
from tutelage.teacher import cached
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cached import CachedTeacher
from tutelage.teacher.identity import identity

FIELDS = ("logits", "embedding")


@pytest.fixture
def teacher(tmp_path):
    """Of two views of the digits."""
    network, images = small.network(), small.digits().train
    cache = TeacherCache(tmp_path, identity(network, "a", images, small.AUGMENT, "fp32", "float16"))
    cache.fill(network, images, small.AUGMENT, (0, 1), FIELDS, Process())
    return CachedTeacher(cache, FIELDS)


def asked(teacher, device):
    sample, view = torch.tensor([7, 3, 900]), torch.tensor([1, 1, 1])
    return teacher.answer(torch.zeros(3, 1, device=device), sample, view)


def test_rows_are_those_of_their_addresses(teacher):
    answer = asked(teacher, "cpu")
    for field in FIELDS:
        shards = teacher.cache.mapped(field, 1)
        assert torch.equal(getattr(answer, field), torch.from_numpy(shards[0][[7, 3, 900]]).float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("resident", [0, 1 << 30])
def test_nobody_waits_for_a_gpu(teacher, resident, monkeypatch):
    monkeypatch.setattr(cached, "RESIDENT", resident)
    asked(teacher, "cuda")  # a view that is kept there is brought there once
    torch.cuda.set_sync_debug_mode("error")
    try:
        answer = asked(teacher, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for field in FIELDS:
        assert torch.equal(getattr(answer, field).cpu(), getattr(asked(teacher, "cpu"), field))
