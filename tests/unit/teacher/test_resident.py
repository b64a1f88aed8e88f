"""Answers that lie on the device are those of the caches they come from."""

import torch

from small import digits, taught, workspace
from tutelage.run.process import ALONE
from tutelage.teacher import lessons
from tutelage.teacher.resident import ResidentTeacher


def test_its_answers_are_the_bits_of_the_caches(tmp_path):
    recipe, dataset = taught(tmp_path), digits()
    teacher = lessons.prepare(recipe, dataset, workspace(tmp_path), ALONE).teacher
    samples = len(dataset.train)
    resident = ResidentTeacher(teacher, (0, 1), samples, torch.device("cpu"))
    sample = torch.tensor([5, samples - 1, 0, 5])
    for view in (0, 1):
        of_view = torch.full_like(sample, view)
        expected = teacher.answer(torch.empty(0), sample, of_view)
        assert torch.equal(resident.answer(torch.empty(0), sample, of_view).logits, expected.logits)
    mixed = resident.answer(torch.empty(0), sample, torch.tensor([0, 1, 1, 0])).logits
    assert torch.equal(mixed[0], mixed[3])
    assert not torch.equal(mixed[0], resident.answer(torch.empty(0), sample, torch.ones_like(sample)).logits[0])
