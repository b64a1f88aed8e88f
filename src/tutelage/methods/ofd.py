"""Overhaul of feature distillation: match what the teacher says, and only outdo its silence.

Source: Heo et al. 2019, arXiv:1904.01866, section 3 (margin ReLU, partial L2 distance, 1x1 connectors with batch norm).
Departures: stages are tapped where they end, mostly behind a ReLU; the paper taps in front of it. There the negative
responses are hidden: each stands as its channel's margin, its expected value, so that the student is pushed below the
margin and never towards a single value. Margins come from the batch: the mean of a channel's negative responses where
it has some, else that of the normal distribution with the channel's rectified mean and share of positives (the paper
takes it from batch norm's scale and shift, which outputs do not show). The teacher is in eval mode, the paper's is in
train mode.
Defaults: mdistiller's (mdistiller/engine/cfg.py): ResNet-32x4 to 8x4 on CIFAR-100 in its configs; on ImageNet 0.0001
for ResNet-50 to MobileNetV1 (configs/imagenet/r50_mv1/ofd.yaml).
When: teacher and student have stages of one resolution; strong for its price, one 1x1 convolution a stage.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._pairs import pair_stages, same_size
from tutelage.methods.adapters import StagePairs, conv_bn
from tutelage.methods.base import Adapted, Claims, Range, Weight


def ofd_margin(teacher: Float[Tensor, "B C H W"]) -> Float[Tensor, "C 1 1"]:
    """Each channel's expected negative response, <= 0.

    Measured where the channel has negative responses. Where it is rectified: E[x | x < 0] of the normal distribution
    with the channel's share p of positive responses and mean of max(x, 0); with z = Phi^-1(p) that is
    sigma (z - phi(z) / (1 - p)), sigma = mean / (z p + phi(z)).
    """
    teacher = widened(teacher)
    dims, entries = (0, 2, 3), teacher.numel() // teacher.shape[1]
    negative = (teacher < 0).sum(dims)
    measured = teacher.clamp_max(0).sum(dims) / negative.clamp_min(1)
    # Half an entry from both ends keeps z finite for a channel that always or never speaks.
    share = ((teacher > 0).to(teacher.dtype).mean(dims)).clamp(0.5 / entries, 1 - 0.5 / entries)
    z = torch.special.ndtri(share)
    density = (-z.square() / 2).exp() / math.sqrt(2 * math.pi)
    sigma = teacher.clamp_min(0).mean(dims) / (z * share + density)
    rectified = sigma * (z - density / (1 - share))
    return torch.where(negative > 0, measured, rectified).view(-1, 1, 1)


def ofd_loss(
    student: Float[Tensor, "B C H W"], teacher: Float[Tensor, "B C H W"], margin: Float[Tensor, "C 1 1"]
) -> Float[Tensor, ""]:
    """Partial L2 distance to the margin ReLU of the teacher's map: sum over the map, mean over the batch.

    (s - t)^2 with t = max(teacher, margin), but 0 where s <= t <= 0.

    Args:
        student: Connected: as many channels as the teacher.
        teacher: Before a ReLU.
        margin: <= 0, one for every channel.
    """
    target = torch.maximum(teacher.detach(), margin)
    enough = (student <= target) & (target <= 0)
    return torch.where(enough, 0, (student - target).square()).sum() / len(student)


@dataclass(frozen=True)
class OFD(Adapted):
    """label_weight CE + teacher_weight sum over pairs i < n of d(R(f), max(f', m)) / 2^(n - 1 - i).

    d partial L2 (see `ofd_loss`), f and f' the maps, R a 1x1 convolution and batch norm, m the channels' margins.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        why="the connectors are random",
        couples_batch="a channel's margin comes from the batch",
        batch_norm="the connectors",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(1e-4, 1e-2), log=True)] = 1e-3
    """Weight of the maps, >= 0; published for CIFAR-100: 0.001, for ImageNet 0.0001."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position, shallow to deep; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        total = 0
        for i, (connector, (f_s, f_t)) in enumerate(zip(adapters.parts, maps)):
            margin = ofd_margin(f_t)
            # A rectified channel never goes below 0: its zeros are what the ReLU hid.
            hidden = (f_t == 0) & (f_t.amin((0, 2, 3)) >= 0).view(-1, 1, 1)
            f_s, f_t = same_size(connector(f_s), torch.where(hidden, margin, f_t))
            total = total + ofd_loss(f_s, f_t, margin) / 2 ** (len(maps) - 1 - i)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * total,
        }

    def parts(self, student, teacher, samples):
        pairs = pair_stages(student, teacher, self.pairs)
        return StagePairs(pairs, (conv_bn(student.features[i][0], teacher.features[j][0]) for i, j in pairs))
