"""Answers that lie on the device are those of the caches they come from."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

from small import digits, taught, workspace
from tutelage.methods import KD, SSKD
from tutelage.run.process import ALONE
from tutelage.teacher import lessons
from tutelage.teacher.resident import ResidentTeacher


@pytest.mark.parametrize("method", [KD(), SSKD()], ids=["kd", "sskd"])
def test_its_answers_are_the_bits_of_the_caches(tmp_path, method):
    recipe, dataset = taught(tmp_path, method=method), digits()
    teacher = lessons.prepare(recipe, dataset, workspace(tmp_path), ALONE).teacher
    samples = len(dataset.train)
    resident = ResidentTeacher(teacher, (0, 1), samples, torch.device("cpu"))
    sample = torch.tensor([5, samples - 1, 0, 5])
    for view in (0, 1):
        of_view = torch.full_like(sample, view)
        found = tree_leaves(resident.answer(torch.empty(0), sample, of_view))
        expected = tree_leaves(teacher.answer(torch.empty(0), sample, of_view))
        assert [None if tensor is None else tensor.tolist() for tensor in found] == [
            None if tensor is None else tensor.tolist() for tensor in expected
        ]
    mixed = resident.answer(torch.empty(0), sample, torch.tensor([0, 1, 1, 0])).logits
    assert torch.equal(mixed[0], mixed[3])
    assert not torch.equal(mixed[0], resident.answer(torch.empty(0), sample, torch.ones_like(sample)).logits[0])
