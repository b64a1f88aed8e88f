"""Answers batches of two views of every image from two caches: one of the first views, one of the second."""

from dataclasses import replace

import torch

from tutelage.data.images import Images
from tutelage.data.second import stronger
from tutelage.run.recipe import Recipe
from tutelage.teacher.answer import Teacher


class PairedTeacher(Teacher):
    """What one teacher says of the first views, then what it says of the second ones.

    Args:
        first: Answers to the addresses of first views.
        second: Answers to those of second views.
    """

    def __init__(self, first: Teacher, second: Teacher):
        self.first, self.second = first, second

    def answer(self, pixels, sample, view):
        """Of 2 B pixels under B addresses, 2 B answers."""
        pairs = zip((self.first, self.second), pixels.chunk(2))
        first, second = (teacher.answer(shown, sample, view) for teacher, shown in pairs)
        return first.mapped(lambda *views: torch.cat(views), second)

    def expect(self, sample, view):
        self.first.expect(sample, view)
        self.second.expect(sample, view)


def one_view_each(recipe: Recipe, images: Images) -> tuple[Recipe, ...]:
    """The recipe itself; of one with a second view a recipe for each of the two, which see one."""
    if not recipe.second_view:
        return (recipe,)
    first = replace(recipe, second_view=False)
    return first, replace(first, augment=stronger(recipe.augment, images))
