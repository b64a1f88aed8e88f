"""Knowledge distillation: match softened class probabilities.

Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2; `standardize`: Sun et al. 2024, arXiv:2403.01427,
    algorithm 1.
Departures: none.
When: first. It needs nothing but cached logits, and few methods beat it by much.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, softened_kl, standardized
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Claims, Method, Share, Temperature


def kd_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], temperature: float = 4.0
) -> Float[Tensor, ""]:
    """T^2 KL(teacher_T || student_T), in nats, mean over the batch (never over the classes).

    Half-precision logits are computed and answered in float32; the teacher gets no gradient.

    >>> import torch
    >>> z = torch.tensor([[2.0, 0.0, -1.0]])
    >>> kd_loss(z, z + 5).item()  # a constant added to all logits changes nothing
    0.0
    """
    return softened_kl(student_logits, teacher_logits, temperature)


@dataclass(frozen=True)
class KD(Method):
    """(1 - alpha) CE(labels, student) + alpha T^2 KL(teacher_T || student_T)."""

    claims: ClassVar[Claims] = Claims(zero=VALUE_AND_GRADIENT, why="a KL divergence", duplicates=MEAN)
    temperature: Temperature = 4.0
    """T > 0, divides both logits; larger is softer."""
    alpha: Share = 0.9
    """Share of the teacher's term, in [0, 1] (RepDistiller's convention; torchdistill's alpha is 1 - ours)."""
    standardize: bool = False
    """Standardise both logits per sample before softening (weights then not comparable: gradients scale with 1/std)."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits
        if self.standardize:
            z_s, z_t = standardized(z_s), standardized(z_t)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * kd_loss(z_s, z_t, self.temperature),
        }
