"""Weighted transformed teacher matching: ttm with more weight on the samples of which the teacher is unsure.

Source: Zheng & Yang 2024, arXiv:2402.11148, section 4.
Departures: the power of a probability is taken of its logarithm, which cannot underflow.
Defaults: VGG-13 to VGG-8 on CIFAR-100, beside crd: the one setting in the README of the authors' code.
When: as ttm, where the teacher's doubts are worth the most.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import kl, label_cross_entropy, widened
from tutelage.methods.base import MEAN, Claims, Method, Range, Weight


def wttm_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], gamma: float = 0.2
) -> Float[Tensor, ""]:
    """mean_b u_b KL(p_t^gamma / u_b || p_s), in nats, with u_b = sum_c p_t^gamma, in [1, C^(1 - gamma)].

    Half-precision logits are computed and answered in float32; the teacher gets no gradient.
    """
    log_power = gamma * F.log_softmax(widened(teacher_logits.detach()), dim=1)
    log_u = log_power.logsumexp(dim=1, keepdim=True)
    divergence = kl(log_power - log_u, F.log_softmax(widened(student_logits), dim=1))
    return (log_u.squeeze(1).exp() * divergence).mean()


@dataclass(frozen=True)
class WTTM(Method):
    """label_weight CE(labels, student) + teacher_weight mean_b u_b KL(p_t^gamma / u_b || p_s).

    u_b = sum_c p_t^gamma: large where the teacher is unsure of sample b.
    """

    claims: ClassVar[Claims] = Claims(why="the student is asked to match a softer teacher", duplicates=MEAN)
    gamma: Annotated[float, Range(0, 1, open=True, search=(0.05, 1), log=True)] = 0.2
    """Power of the teacher's probabilities, in (0, 1]; smaller is softer; 0.2 in the authors' CIFAR-100 example."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    teacher_weight: Annotated[float, Range(0, search=(0.5, 50), log=True)] = 4.0
    """Weight of the teacher's term (the paper's beta), >= 0; 4 in the authors' CIFAR-100 example, beside another."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * wttm_loss(student.logits, teacher.logits, self.gamma),
        }
