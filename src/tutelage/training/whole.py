"""A whole training step as one function of the step number, on the device: nothing in it waits for the host.

Addresses, views, the teacher's rows, gradients and Muon's move: recorded as one CUDA graph, a step costs the host one
launch.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tutelage import rng
from tutelage.data.images import Images
from tutelage.data.made import MadeViews, bytes_of
from tutelage.data.memory import MemoryImages
from tutelage.outputs import Context
from tutelage.run.muon import Muon
from tutelage.run.plan import Plan
from tutelage.teacher import lessons
from tutelage.teacher.lessons import Lesson
from tutelage.teacher.resident import ResidentTeacher

RESIDENT = 1 << 34
"""Bytes of views up to which they are kept; where there are more, each is made when it is seen."""
ANSWERS = 1 << 30
"""Bytes of a teacher's answers up to which they are kept; where there are more, steps are not whole."""


class Whole:
    """A step's arithmetic as a function of its number, which lies on the device and counts itself up.

    Args:
        step: A loop's; its optimiser is Muon, and gradients are not clipped.
        images: The training split, in the device's memory.
        teacher: Answers to addresses on the device.
    """

    def __init__(self, step: Any, images: Images, teacher: Any):
        self.step, self.images, self.teacher = step, images, teacher
        plan: Plan = step.plan
        device = images.labels.device
        self._epoch = -1
        self._number = torch.zeros((), dtype=torch.long, device=device)
        self._view = torch.zeros((), dtype=torch.long, device=device)
        self._order = torch.arange(plan.samples, device=device)
        self._places = torch.arange(plan.fit.batch_size, device=device)
        rates = torch.tensor([plan.learning_rate(number) for number in range(plan.steps)], dtype=torch.float64)
        scales = torch.tensor([group.get("lr_scale", 1.0) for group in step.optimizer.param_groups]).double()
        self._rates = (rates[:, None] * scales).float().to(device)

    def begin(self, number: int) -> None:
        """Goes to a step: the seed of what is drawn in it, and its epoch's order and view."""
        plan = self.step.plan
        rng.seed_generators(rng.integer(plan.seed, "step", number, 0), self._order.device)
        epoch = number // plan.steps_per_epoch
        if epoch != self._epoch:
            if self._epoch < 0:
                self._number.fill_(number)
            self._epoch = epoch
            self._order.copy_(rng.permutation(plan.seed, epoch, plan.samples, self._order.device))
            self._view.fill_(plan.view(epoch))

    def __call__(self) -> dict[str, Tensor]:
        """Makes the next step: its terms."""
        step, plan = self.step, self.step.plan
        within = self._number % plan.steps_per_epoch
        sample = self._order.index_select(0, within * plan.fit.batch_size + self._places)
        view = self._view.expand_as(sample)
        pixels, partner, partner_share = self.images.view(sample, view, step.recipe.augment)
        labels = step.labels
        partner_labels = None if partner is None else labels[partner]
        epoch: Any = self._number.double() / plan.steps_per_epoch
        context = Context(labels[sample], sample, epoch, partner_labels, partner_share)
        answer = self.teacher.answer(pixels, sample, view)
        rates = self._rates.index_select(0, self._number[None])[0]
        for group, rate in zip(step.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        terms = step.gradients(pixels, answer, context)
        step.optimizer.step()
        self._number += 1
        return terms


def whole(step: Any, images: Images, lesson: Lesson) -> Whole | None:
    """The whole of a loop's step; None where some of it needs the host."""
    fit, plan = step.recipe.fit, step.plan
    optimizer = getattr(step.optimizer, "optimizer", step.optimizer)
    scaled = getattr(step.fabric.strategy.precision, "scaler", None) is not None  # fp16: it looks whether to skip
    if not isinstance(optimizer, Muon) or fit.clip_norm or scaled or not isinstance(images, MemoryImages):
        return None
    if step.recipe.second_view:
        return None
    views, samples, device = plan.views_used, plan.samples, images.labels.device
    teacher = step.teacher
    if lesson.caches:
        width = sum(lessons.widths(step.recipe, lesson.sizes).values())
        if lesson.live or 4 * width * len(views) * samples > ANSWERS:
            return None
        teacher = ResidentTeacher(teacher, views, samples, device)
    augment, shown = step.recipe.augment, images
    if augment.mix == "none" and bytes_of(images, len(views)) <= RESIDENT:
        shown = MadeViews(images, augment, views)
    return Whole(replace(step, teacher=teacher), shown, teacher)
