"""Transformed teacher matching: soften the teacher only, and let the student match it as it is.

Source: Zheng & Yang 2024, arXiv:2402.11148, section 3.
Departures: the power of a probability is taken of its logarithm, which cannot underflow.
Defaults: VGG-13 to VGG-8 on CIFAR-100, the one pair in the README of the authors' code.
When: as kd; the student stays less sure of itself, by an entropy term that kd lacks.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import kl, label_cross_entropy, widened
from tutelage.methods.base import MEAN, Claims, Method, Range, Weight


def ttm_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], gamma: float = 0.1
) -> Float[Tensor, ""]:
    """KL(p_t^gamma / sum || p_s), in nats, mean over the batch: no temperature on the student, no T^2.

    gamma = 1 / T is kd's softened teacher, so gamma = 1 is kd at T = 1. Half-precision logits are computed and
    answered in float32; the teacher gets no gradient.
    """
    log_p = F.log_softmax(gamma * F.log_softmax(widened(teacher_logits.detach()), dim=1), dim=1)
    return kl(log_p, F.log_softmax(widened(student_logits), dim=1)).mean()


@dataclass(frozen=True)
class TTM(Method):
    """label_weight CE(labels, student) + teacher_weight KL(p_t^gamma / sum || p_s)."""

    claims: ClassVar[Claims] = Claims(why="the student is asked to match a softer teacher", duplicates=MEAN)
    gamma: Annotated[float, Range(0, 1, open=True, search=(0.05, 1), log=True)] = 0.1
    """Power of the teacher's probabilities, in (0, 1]; smaller is softer; 0.1 for VGG-13 to VGG-8 on CIFAR-100."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    teacher_weight: Annotated[float, Range(0, search=(1, 100), log=True)] = 45.0
    """Weight of the teacher's term (the paper's beta), >= 0; 45 for VGG-13 to VGG-8 on CIFAR-100."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * ttm_loss(student.logits, teacher.logits, self.gamma),
        }
