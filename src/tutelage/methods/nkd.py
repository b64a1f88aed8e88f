"""Normalised distillation: the true class as a soft label, the other classes renormalised to sum to one.

Source: Yang et al. 2023, arXiv:2303.13005, section 3 (NKD; not its teacher-free USKD).
Departures: none; two classes are refused, because nothing is left beside the true one.
Defaults: ResNet-34 to 18 on ImageNet (configs/distillers/imagenet/res34_distill_res18_img.py of the authors' code).
The same pair on CIFAR-100 has T = 3 and gamma = 3.5 (configs/distillers/cifar100/res34_distill_res18_cifar.py).
When: as dkd, with one weight and no warm-up to choose.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.methods._common import at_least_three_classes, label_cross_entropy, others, widened
from tutelage.methods.base import MEAN, Claims, Method, Temperature, Weight


def nkd_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    labels: Int64[Tensor, " B"],
    gamma: float = 1.5,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """-p_t[y] log p_s[y] + gamma T^2 CE(o_t, o_s), in nats, mean over the batch.

    p is at T = 1, o the distribution over the other classes alone at T. Both terms are cross-entropies: neither the
    value nor the gradient is 0 where the student equals the teacher. Half-precision logits are computed and answered
    in float32; the teacher gets no gradient.

    Raises:
        UserError: fewer than three classes.
    """
    at_least_three_classes(student_logits, "nkd")
    z_s, z_t = widened(student_logits), widened(teacher_logits.detach())
    target = F.softmax(z_t, dim=1).gather(1, labels[:, None]) * F.log_softmax(z_s, dim=1).gather(1, labels[:, None])
    log_o_s = F.log_softmax(others(z_s, labels) / temperature, dim=1)
    o_t = F.softmax(others(z_t, labels) / temperature, dim=1)
    rest = (o_t * log_o_s).sum(dim=1)
    return -target.mean() - gamma * temperature**2 * rest.mean()


@dataclass(frozen=True)
class NKD(Method):
    """label_weight CE(labels, student) + teacher_weight (-p_t[y] log p_s[y] + gamma T^2 CE(o_t, o_s)).

    o = the distribution over the classes other than the label y, at T.
    """

    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="p_t[y] weights the true class, it is not matched", duplicates=MEAN, three_classes=True
    )

    temperature: Temperature = 1.0
    """T > 0, of the other classes' term alone; 1 in the paper."""
    gamma: Weight = 1.5
    """Weight of the other classes within the teacher's term, >= 0; 1.5 in the paper."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    teacher_weight: Weight = 1.0
    """Weight of the teacher's term, >= 0; 1 in the paper."""

    def losses(self, student, teacher, context, adapters):
        loss = nkd_loss(student.logits, teacher.logits, context.labels, self.gamma, self.temperature)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * loss,
        }
