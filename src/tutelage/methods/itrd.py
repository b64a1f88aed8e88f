"""Information-theoretic representation distillation: correlate every dimension, share the batch's structure.

Source: Miles, Lopez Rodriguez & Mikolajczyk 2022, arXiv:2112.00459, section 3 (correlation and mutual information).
Departures: the mutual-information term uses the projected embedding whatever the widths; a dimension that is constant
over the batch correlates with nothing instead of dividing by 0. As in the authors' code, deviations are unbiased and
the correlation is a mean over B: it ends at (B - 1) / B, which keeps the logarithm finite at a perfect fit, and the
second term is a difference of squared norms, without the logarithms of the entropies.
Defaults: WRN-40-2 to 16-2 on CIFAR-100 (README of the authors' code); for networks of unlike families mutual_weight
0.05 and alpha 1.5 (train_student.py there).
When: strong results from cached embeddings at the price of one linear layer. Memory O(B^2 + B D).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._relations import pairs_of, unit
from tutelage.methods.adapters import embedding_widths
from tutelage.methods.base import Adapted, Claims, Range, Weight


def itrd_correlation_loss(
    student: Float[Tensor, "B D"], teacher: Float[Tensor, "B D"], alpha: float = 1.01
) -> Float[Tensor, ""]:
    """log2 sum_d |rho_d - 1|^(2 alpha), in bits: rho_d the correlation over the batch of the two dimensions d.

    Args:
        student: Projected to the teacher's width.
        teacher: Any scale and offset.
        alpha: Order of the entropy, > 0.5.

    Raises:
        ValueError: B < 2 (no deviation).
    """
    student, teacher = pairs_of(student), pairs_of(teacher.detach())
    # The unbiased standardisation is sqrt(B - 1) times the unit vector along the batch.
    cosine = (_deviation(student) * _deviation(teacher)).sum(dim=0)
    rho = cosine * ((len(student) - 1) / len(student))
    return (1 - rho).pow(2 * alpha).sum().log2()


def _deviation(x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """From the mean over the batch, each column of length 1, or 0 where only rounding tells it from a constant."""
    centred = x - x.mean(dim=0)
    varies = centred.square().sum(dim=0) > 1e-10 * x.square().sum(dim=0)
    return unit(torch.where(varies, centred, 0), 0)


def itrd_mutual_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """|G_s / B|^2 - |G_s * G_t / B|^2 (Frobenius norms, elementwise product): G the matrices of cosines.

    0 where all the teacher's cosines are 1, else positive: it asks the student to be alike where the teacher is.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    direction, target = unit(pairs_of(student)), unit(pairs_of(teacher.detach()))
    own = direction @ direction.T / len(direction)
    joint = own * (target @ target.T)
    return own.square().sum() - joint.square().sum()


@dataclass(frozen=True)
class ITRD(Adapted):
    """label_weight CE + correlation_weight log2 sum_d |rho_d - 1|^(2 alpha) + mutual_weight (|G_s|^2 - |G_s * G_t|^2).

    rho_d: correlation of dimension d of P(h) with that of the teacher's embedding; P linear; G: cosines / B.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(
        why="the embedding is random", couples_batch="statistics over the batch are compared"
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    correlation_weight: Weight = 2.0
    """Weight of the correlations, >= 0; published: 2."""
    mutual_weight: Annotated[float, Range(0, search=(0.02, 2), log=True)] = 1.0
    """Weight of the shared structure, >= 0; published: 1, for networks of unlike families 0.05."""
    alpha: Annotated[float, Range(0.5, 5, open=True, search=(0.75, 2))] = 1.01
    """Order of the entropy, in (0.5, 5]; published: 1.01, for networks of unlike families 1.5."""

    def losses(self, student, teacher, context, adapters):
        projected = adapters(widened(student.embedding))
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "correlation": self.correlation_weight * itrd_correlation_loss(projected, teacher.embedding, self.alpha),
            "mutual": self.mutual_weight * itrd_mutual_loss(projected, teacher.embedding),
        }

    def parts(self, student, teacher, samples):
        return nn.Linear(*embedding_widths(student, teacher))
