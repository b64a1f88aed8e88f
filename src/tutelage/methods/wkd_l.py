"""Wasserstein distance on probabilities: what moves between classes that are alike costs less than elsewhere.

Source: Lv, Yang & Li 2024, arXiv:2412.08139, section 3.1 (WKD-L).
Departures: classes are as unlike as 1 - the cosine of their rows in the teacher's last layer (COST_MATRIX "fc" of the
    authors' code); the paper's CKA wants a pass over all training images. Sinkhorn's iterations are in logarithms,
    where the authors' code adds 1e-8 to what it divides by. The weight is constant; the authors' falls to 0 from epoch
    150 of 240 on. Two classes are refused, because nothing is left beside the true one.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100 (configs/cifar100/wkd_l/res32x4_res8x4.yaml of the authors' code); on ImageNet
    others_weight 30 and T = 2 for ResNet-34 to 18 (configs/imagenet/r34_r18/wkd_l.yaml).
When: classes lie in groups that resemble each other. The teacher must end in a linear layer, and its cached logits are
    enough. The cost grows with the square of the number of classes, for every image. A distance, unlike its square,
    pulls as hard near the teacher as far from it: too large a weight leaves nothing to the labels.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage.methods._common import at_least_three_classes, label_cross_entropy, others, widened
from tutelage.methods._relations import unit
from tutelage.methods.adapters import FrozenHead
from tutelage.methods.base import MEAN, Adapted, Claims, Published, Range, Temperature, Weight


def sinkhorn_cost(
    log_p: Float[Tensor, "B N"],
    log_q: Float[Tensor, "B N"],
    cost: Float[Tensor, "B N N"],
    regularisation: float = 0.05,
    iterations: int = 10,
) -> Float[Tensor, " B"]:
    """The cost of carrying each row's p to q by the plan that Sinkhorn's iterations find (Cuturi 2013, algorithm 1).

    Above 0 where p = q: the regularised plan is not the identity. The last iteration fits p; q fits as far as the
    iterations have converged.

    Args:
        log_p: Logarithms of distributions.
        log_q: The same.
        cost: From i of p to j of q, >= 0.
        regularisation: > 0, of the plan's entropy, in the unit of `cost`; the smaller, the nearer to the distance.
        iterations: >= 1.
    """
    log_k = -cost / regularisation
    log_u = torch.full_like(log_p, -math.log(log_p.shape[1]))
    log_v = log_q
    for _ in range(iterations):
        log_v = log_q - (log_k + log_u[:, :, None]).logsumexp(dim=1)
        log_u = log_p - (log_k + log_v[:, None, :]).logsumexp(dim=2)
    plan = (log_u[:, :, None] + log_k + log_v[:, None, :]).exp()
    return (plan * cost).sum(dim=(1, 2))


def class_costs(weight: Float[Tensor, "C D"], sharpness: float = 1.0) -> Float[Tensor, "C C"]:
    """1 - exp(-sharpness (1 - cosine)) of the rows of a last layer, in [0, 1); computed in float64."""
    rows = unit(weight.detach().double())
    return F.relu(1 - (-sharpness * (1 - rows @ rows.T)).exp()).to(weight.dtype)


class Costs(nn.Module):
    """What it costs to take one class for another, by the teacher's last layer."""

    table: Tensor

    def __init__(self, weight: Float[Tensor, "C D"], sharpness: float):
        super().__init__()
        self.register_buffer("table", class_costs(weight, sharpness))

    def among_others(self, labels: Int64[Tensor, " B"]) -> Float[Tensor, "B N N"]:
        """The table without the row and the column of each label, in class order."""
        position = torch.arange(len(self.table) - 1, device=labels.device)
        others = position + (position >= labels[:, None])
        return self.table[others[:, :, None], others[:, None, :]]


@dataclass(frozen=True)
class WKDL(Adapted):
    """label_weight CE + teacher_weight (-p_t[y] log p_s[y] + others_weight W(o_s, o_t)), mean over the batch.

    p at T = 1; o the distributions over the classes other than the label y, at T; W the cost of carrying one to the
    other by 10 iterations of Sinkhorn, where from class i to j it is 1 - exp(-sharpness (1 - cos(w_i, w_j))), w the
    rows of the teacher's last layer.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "head"})
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="a regularised plan moves something between equal distributions too",
        duplicates=MEAN,
        three_classes=True,
        published=(Published("others_weight", by_classes=1),),
    )

    temperature: Temperature = 8.0
    """T > 0, of the other classes' distributions alone; published: 8 on CIFAR-100, 2 on ImageNet."""
    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Weight = 1.0
    """Weight of the teacher's term, >= 0; published: 1."""
    others_weight: Annotated[float, Range(0, search=(20, 2000), log=True)] = 600.0
    """Weight of the other classes within it, >= 0; published: 600 on CIFAR-100, 30 on ImageNet."""
    sharpness: Annotated[float, Range(0, open=True)] = 1.0
    """How soon unlike classes count as entirely unlike, > 0; published: 1."""
    regularisation: Annotated[float, Range(0, open=True)] = 0.05
    """Of the plan's entropy, > 0; published: 0.05."""

    def losses(self, student, teacher, context, adapters):
        at_least_three_classes(student.logits, "wkd_l")
        z_s, z_t, y = widened(student.logits), widened(teacher.logits.detach()), context.labels
        own = F.softmax(z_t, dim=1).gather(1, y[:, None]) * F.log_softmax(z_s, dim=1).gather(1, y[:, None])
        log_s, log_t = (F.log_softmax(others(z, y) / self.temperature, dim=1) for z in (z_s, z_t))
        cost = sinkhorn_cost(log_s, log_t, adapters.among_others(y).to(log_s.dtype), self.regularisation)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * (self.others_weight * cost.mean() - own.mean()),
        }

    def parts(self, student, teacher, samples):
        return Costs(FrozenHead(teacher).weight, self.sharpness)
