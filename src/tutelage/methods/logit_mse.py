"""Logit regression: the mean squared difference of the two networks' logits.

Source: Ba & Caruana 2014, arXiv:1312.6184, eq. 1; Kim et al. 2021, arXiv:2105.08919, section 3 (weights as here).
Departures: the mean over the classes, where the papers have their sum or half their sum, so that a weight means the
    same for ten classes and for a thousand.
Defaults: both papers': the teacher's term alone.
When: the teacher is an ensemble or very sure of itself, or no temperature is to be chosen.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Claims, Method, Share


def logit_mse_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], centred: bool = False
) -> Float[Tensor, ""]:
    """Mean over batch and classes of (student - teacher)^2, in squared logits.

    Half-precision logits are computed and answered in float32; the teacher gets no gradient.

    Args:
        student_logits: Before softmax.
        teacher_logits: Before softmax.
        centred: Subtract each row's mean first: a constant added to all logits then costs nothing, as in softmax.
            Half of this is the limit of `kd_loss` as its temperature grows.
    """
    difference = widened(student_logits) - widened(teacher_logits.detach())
    if centred:
        difference = difference - difference.mean(dim=1, keepdim=True)
    return difference.square().mean()


@dataclass(frozen=True)
class LogitMSE(Method):
    """(1 - alpha) CE(labels, student) + alpha mean_c (z_student - z_teacher)^2."""

    claims: ClassVar[Claims] = Claims(zero=VALUE_AND_GRADIENT, why="a square", duplicates=MEAN)
    alpha: Share = 1.0
    """Share of the teacher's term, in [0, 1]; 1 in both papers: no labels."""
    centred: bool = False
    """Compare logits up to a constant, as softmax does."""

    def losses(self, student, teacher, context, adapters):
        regression = logit_mse_loss(student.logits, teacher.logits, self.centred)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * regression,
        }
