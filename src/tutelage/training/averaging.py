"""Averaged weights want BatchNorm statistics of their own: those of the weights they are a mean of do not fit them.

Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2.
Departures: over the first batches of the epoch's views, not over all of them.
"""

from torch import nn
from torch.optim.swa_utils import update_bn

from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.run.plan import Plan

BATCHES = 64
"""How many of an epoch's batches there are from which the statistics are measured."""


def measure_norms(student: nn.Module, images: Images, plan: Plan, epoch: int, augment: Augment) -> None:
    """Puts the mean statistics of an epoch's first batches in the place of the student's running ones.

    Args:
        student: Of averaged weights, on the device where the images are shown.
        images: The training split.
        plan: Of the run.
        epoch: Whose views, from 0.
        augment: Which views exist.
    """
    first = epoch * plan.steps_per_epoch
    steps = range(first, first + min(BATCHES, plan.steps_per_epoch))
    shown = images.stream(map(plan.addresses, steps), augment)
    device = next(student.parameters()).device
    update_bn((views.pixels for views in shown), student, device)
