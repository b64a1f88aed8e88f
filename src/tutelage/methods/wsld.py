"""Weighted soft labels: less of the teacher where the student already knows the label better than it.

Source: Zhou et al. 2021, arXiv:2102.00650, weighted soft labels.
Departures: the teacher's cross-entropy is at least 1e-7 nats, where the authors add 1e-7 to it.
Defaults: ResNet-34 to 18 on ImageNet (mmrazor, configs/distill/mmcls/wsld).
When: the teacher errs on a part of the samples; its sway then fades sample by sample.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.base import GRADIENT, MEAN, Claims, Method, Temperature, Weight


def wsld_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    labels: Int64[Tensor, " B"],
    temperature: float = 2.0,
) -> Float[Tensor, ""]:
    """T^2 mean_b (1 - exp(-CE_s / CE_t)) CE(teacher_T, student_T), in nats.

    CE_s and CE_t are the two networks' losses on the label at T = 1; the weight they make has no gradient. The value
    is above 0 and the gradient 0 where the student equals the teacher. Half-precision logits are computed and answered
    in float32; the teacher gets no gradient.
    """
    z_s, z_t = widened(student_logits), widened(teacher_logits.detach())
    ratio = F.cross_entropy(z_s.detach(), labels, reduction="none") / (
        F.cross_entropy(z_t, labels, reduction="none").clamp_min(1e-7)
    )
    soft = (F.softmax(z_t / temperature, dim=1) * F.log_softmax(z_s / temperature, dim=1)).sum(dim=1)
    return -(temperature**2) * ((1 - (-ratio).exp()) * soft).mean()


@dataclass(frozen=True)
class WSLD(Method):
    """label_weight CE(labels, student) + teacher_weight T^2 mean_b (1 - exp(-CE_s / CE_t)) CE(teacher_T, student_T)."""

    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        zero=GRADIENT,
        why="a cross-entropy: least at the teacher's entropy",
        duplicates=MEAN,
        stopped="a sample's weight",
    )

    temperature: Temperature = 2.0
    """T > 0; 2 in the published ImageNet settings."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    teacher_weight: Weight = 2.5
    """Weight of the teacher's term, >= 0; 2.5 in the published ImageNet settings."""

    def losses(self, student, teacher, context, adapters):
        loss = wsld_loss(student.logits, teacher.logits, context.labels, self.temperature)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * loss,
        }
