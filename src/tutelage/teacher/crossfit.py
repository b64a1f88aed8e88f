"""Answers every image by that one of several teachers that was trained without it.

What a network says of images that it has learnt by heart is little more than their labels; of an image that it has not
seen it says what it takes it for. Source: cross-fitting, as in Chernozhukov et al. 2018, doi:10.1111/ectj.12097, for
distillation Dao et al. 2021, arXiv:2104.09732 (section 4). Departure: on images that no teacher has seen (val, test)
their probabilities are averaged.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage.data.splits import DataSet, kept
from tutelage.outputs import Outputs
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher.answer import Teacher


class CrossFitted(Teacher):
    """Several teachers, each of whom answers the images of its fold.

    Args:
        members: One a fold; each knows its images by their positions among those of its fold.
        fold: Of every training image, from 0.
    """

    def __init__(self, members: list[Teacher], fold: Int64[Tensor, " N"]):
        self.members, self.fold = members, fold
        self.within = torch.empty_like(fold)
        for number in range(len(members)):
            of_fold = fold == number
            self.within[of_fold] = torch.arange(int(of_fold.sum()))

    def answer(self, pixels, sample, view):
        views = (
            len(pixels) // len(sample) or 1
        )  # of each image, one batch after the other; answers on disk need no pixels
        shown = pixels.unflatten(0, (views, -1)) if len(pixels) else pixels[None]
        places, answers = [], []
        for member, place, within in self._asked(sample):
            seen = shown[:, place.to(pixels.device)] if len(pixels) else shown
            addresses = within.to(sample.device), view[place.to(sample.device)]
            answers.append(member.answer(seen.flatten(0, 1), *addresses).logits.unflatten(0, (views, -1)))
            places.append(place)
        order = torch.cat(places).argsort().to(answers[0].device)
        return Outputs(torch.cat(answers, dim=1)[:, order].flatten(0, 1))

    def expect(self, sample, view):
        for member, place, within in self._asked(sample):
            member.expect(within, view[place])

    def _asked(self, sample: Int64[Tensor, " B"]) -> list[tuple[Teacher, Tensor, Tensor]]:
        """Who is asked for which places of a batch, and about which of its own images; on the CPU."""
        sample = sample.cpu()
        places = [(self.fold[sample] == number).nonzero()[:, 0] for number in range(len(self.members))]
        return [
            (member, place, self.within[sample[place]])
            for member, place in zip(self.members, places, strict=True)
            if len(place)
        ]


def answered_by(recipe: Recipe, spec: TeacherSpec, dataset: DataSet) -> DataSet:
    """The data set with those of its training images that one of its teachers answers: all, or its fold."""
    if not recipe.cross_fitted:
        return dataset
    part, folds = spec.held_back
    return kept(dataset, (dataset.folds(folds) == part).nonzero()[:, 0])
