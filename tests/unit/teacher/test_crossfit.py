"""Every image is answered by the network that was trained without it."""

from dataclasses import replace

import torch

import small
from tutelage.outputs import Outputs
from tutelage.run.recipe import TeacherSpec
from tutelage.teacher.answer import Teacher
from tutelage.teacher.crossfit import CrossFitted, answered_by


class Numbered(Teacher):
    """Answers with its own number, the image's position among its own, the view and a pixel."""

    def __init__(self, number: int):
        self.number, self.expected = number, []

    def answer(self, pixels, sample, view):
        pixel = pixels.flatten(1)[:, 0] if len(pixels) else torch.zeros(len(sample))
        return Outputs(torch.stack([torch.full_like(pixel, self.number), sample.float(), view.float(), pixel], dim=1))

    def expect(self, sample, view):
        self.expected.append((sample.tolist(), view.tolist()))


FOLD = torch.tensor([1, 0, 1, 2, 0, 1])


def test_each_image_is_answered_by_its_fold_in_the_order_of_the_batch():
    teacher = CrossFitted([Numbered(number) for number in range(3)], FOLD)
    sample, view = torch.tensor([5, 3, 0, 1, 2]), torch.tensor([4, 4, 3, 4, 4])
    pixels = torch.arange(5.0).view(5, 1, 1, 1)
    assert teacher.answer(pixels, sample, view).logits.tolist() == [
        [1, 2, 4, 0],
        [2, 0, 4, 1],
        [1, 0, 3, 2],
        [0, 0, 4, 3],
        [1, 1, 4, 4],
    ]


def test_answers_on_disk_need_no_pixels():
    teacher = CrossFitted([Numbered(number) for number in range(3)], FOLD)
    found = teacher.answer(torch.empty(0), torch.arange(6), torch.zeros(6, dtype=torch.long))
    assert found.logits[:, :2].tolist() == [[1, 0], [0, 0], [1, 1], [2, 0], [0, 1], [1, 2]]


def test_each_member_expects_what_it_will_be_asked():
    members = [Numbered(number) for number in range(3)]
    CrossFitted(members, FOLD).expect(torch.tensor([4, 5, 2]), torch.tensor([7, 8, 9]))
    assert [member.expected for member in members] == [[([1], [7])], [([2, 1], [8, 9])], []]


def test_a_member_answers_the_images_that_it_was_trained_without(tmp_path):
    recipe = replace(small.taught(tmp_path), teacher=TeacherSpec(small.TEACHER, tune="full", folds=3))
    dataset = small.digits()
    answered = []
    for spec, own in zip(recipe.taught_by, recipe.of_teachers, strict=True):
        asked = answered_by(recipe, spec, dataset)
        trained = small.data.load(own.data)
        assert own.data.held_back == spec.held_back
        assert not set(asked.train_positions.tolist()) & set(trained.train_positions.tolist())
        answered += asked.train_positions.tolist()
    assert sorted(answered) == dataset.train_positions.tolist()
