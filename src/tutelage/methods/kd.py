"""Knowledge distillation: match softened class probabilities.

Source: Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2; `standardize`: Sun et al. 2024, arXiv:2403.01427,
    algorithm 1.
Departures: none.
Defaults: mdistiller's (mdistiller/engine/cfg.py) for all pairs on CIFAR-100; on ImageNet T = 1 and alpha = 0.5
    (configs/imagenet/r34_r18/kd.yaml). Standardised logits at their published setting (README of the authors' code:
    cross-entropy 0.1, teacher 9, T = 2 for ResNet-32x4 to 8x4 on CIFAR-100; some pairs differ):
    `--method.standardize True --method.temperature 2 --method.teacher_weight 10`.
When: first. It needs nothing but cached logits, and few methods beat it by much.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, softened_kl, standardized
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Claims, Method, Range, Share, Temperature


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
    """(1 - alpha) CE(labels, student) + teacher_weight alpha T^2 KL(teacher_T || student_T)."""

    claims: ClassVar[Claims] = Claims(zero=VALUE_AND_GRADIENT, why="a KL divergence", duplicates=MEAN)
    temperature: Temperature = 4.0
    """T > 0, divides both logits; larger is softer."""
    alpha: Share = 0.9
    """Share of the teacher's term, in [0, 1] (RepDistiller's convention; torchdistill's alpha is 1 - ours)."""
    standardize: bool = False
    """Standardise both logits per sample before softening (weights then not comparable: gradients scale with 1/std)."""
    teacher_weight: Annotated[float, Range(0)] = 1.0
    """Multiplies the teacher's term beside alpha, >= 0, for weights that do not add up to 1; not tuned."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits
        if self.standardize:
            z_s, z_t = standardized(z_s), standardized(z_t)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * self.alpha * kd_loss(z_s, z_t, self.temperature),
        }
