"""Wasserstein distance on maps: every channel of the last map gets the teacher's mean and deviation over positions.

Source: Lv, Yang & Li 2024, arXiv:2412.08139, section 3.2 (WKD-F), with diagonal covariances.
Departures: maps of unlike sizes are compared as they are (means and deviations have no size). The weight is constant;
    the authors' falls to 0 from epoch 150 of 240 on.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100 (configs/cifar100/wkd_f/res32x4_res8x4.yaml of the authors' code: one grid
    cell, mean_weight 4); 2 and several cells on ImageNet.
When: as fitnet, where the student's map is too coarse to be compared position by position. One convolution is trained.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.errors import UserError
from tutelage.methods._common import label_cross_entropy
from tutelage.methods._pairs import require_stages, stage
from tutelage.methods.adapters import StagePairs, conv_bn
from tutelage.methods.base import Adapted, Claims, Range, Weight

EPSILON = 1e-5
"""Added to variances under the root (the authors' code): a constant channel has no infinite gradient."""


def wkd_f_loss(
    student: Float[Tensor, "B C _ _"], teacher: Float[Tensor, "B C _ _"], mean_weight: float = 4.0
) -> Float[Tensor, ""]:
    """mean_weight |m_s - m_t|^2 + |d_s - d_t|^2, summed over channels, mean over the batch; m, d over positions.

    With mean_weight 1 the squared Wasserstein distance of two Gaussians with diagonal covariances. Deviations are
    unbiased: every map needs two positions or more.
    """
    means, deviations = zip(*(_gaussian(x) for x in (student, teacher.detach())))
    apart = mean_weight * (means[0] - means[1]).square() + (deviations[0] - deviations[1]).square()
    return apart.sum(dim=1).mean()


def _gaussian(x: Float[Tensor, "B C _ _"]) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]:
    positions = x.flatten(2)
    return positions.mean(dim=2), (positions.var(dim=2) + EPSILON).sqrt()


@dataclass(frozen=True)
class WKDF(Adapted):
    """label_weight CE + teacher_weight mean_b (mean_weight |m_s - m_t|^2 + |d_s - d_t|^2).

    m and d: mean and deviation, over positions, of every channel of the last stage; the student's through a 1x1
    convolution, batch norm and ReLU.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(why="the convolution is random", batch_norm="the convolution's layer")

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(0.01, 1), log=True)] = 0.08
    """Weight of the maps, >= 0; published: 0.08."""
    mean_weight: Annotated[float, Range(0)] = 4.0
    """Weight of the means within it, >= 0; published: 4, beside wkd_l 8."""

    def losses(self, student, teacher, context, adapters):
        ((own, theirs),) = adapters(student.features, teacher.features)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * wkd_f_loss(adapters.parts[0](own), theirs, self.mean_weight),
        }

    def parts(self, student, teacher, samples):
        require_stages(student, teacher)
        for whose, sizes in (("student", student), ("teacher", teacher)):
            if sizes.features[-1][1] * sizes.features[-1][2] < 2:
                last = stage(sizes, len(sizes.features) - 1)
                raise UserError(
                    f"wkd_f needs maps of two positions or more, and the {whose}'s last stage is {last}",
                    f"name an earlier one last: --{whose}.stages, or use srrl",
                )
        pair = (len(student.features) - 1, len(teacher.features) - 1)
        return StagePairs((pair,), [conv_bn(student.features[-1][0], teacher.features[-1][0], relu=True)])
