"""Correlation congruence: the student's batch has the teacher's kernel matrix.

Source: Peng et al. 2019, arXiv:1904.01802, section 3 (correlation congruence; the Gaussian kernel's Taylor series).
Departures: no layer brings the embeddings to a common width: the B x B matrices have the same size without one. The
function of this name in RepDistiller (products of differences of consecutive samples) is another one.
Defaults: ResNet-110 to 20 on CIFAR-10 (Knowledge-Distillation-Zoo, example_train_script.sh).
When: like pkt, with a kernel whose sharpness can be chosen. Memory O(B^2).
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._relations import pairs_of, unit
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Method, Range, Weight


def cc_loss(
    student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"], gamma: float = 0.4, order: int = 2
) -> Float[Tensor, ""]:
    """Mean squared difference of the two batches' kernel matrices, over B^2 entries.

    Args:
        student: Any scale: only directions count.
        teacher: Any scale and width.
        gamma: Of the Gaussian kernel exp(-gamma |x - y|^2), > 0.
        order: The last power of the cosine in the series, >= 1.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    student, teacher = pairs_of(student), pairs_of(teacher.detach())
    return F.mse_loss(_kernel(student, gamma, order), _kernel(teacher, gamma, order))


def _kernel(x: Float[Tensor, "B D"], gamma: float, order: int) -> Float[Tensor, "B B"]:
    direction = unit(x)
    cosine = direction @ direction.T
    # exp(-gamma |x - y|^2) = exp(-2 gamma) exp(2 gamma cos) on the unit sphere; Horner's rule for the second factor.
    series = cosine.new_ones(())
    for power in range(order, 0, -1):
        series = 1 + series * cosine * (2 * gamma / power)
    return math.exp(-2 * gamma) * series


@dataclass(frozen=True)
class CC(Method):
    """label_weight CE + teacher_weight mean_ij (k(h_i, h_j) - k(h'_i, h'_j))^2.

    k(x, y) = exp(-2 gamma) sum_{p <= order} (2 gamma)^p / p! cos(x, y)^p; h the student's embedding, h' the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a squared difference of Gram matrices",
        couples_batch="pairs of samples are compared",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(10, 1000), log=True)] = 100.0
    """Weight of the matrices, >= 0; Knowledge-Distillation-Zoo's value for this mean over B^2."""
    gamma: Annotated[float, Range(0, open=True, search=(0.1, 2), log=True)] = 0.4
    """Sharpness of the kernel, > 0; published: 0.4."""
    order: Annotated[int, Range(1, 20)] = 2
    """Last power of the Taylor series, in [1, 20]; published: 2."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * cc_loss(student.embedding, teacher.embedding, self.gamma, self.order),
        }
