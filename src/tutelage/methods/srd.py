"""A simple recipe: a linear projector, batch norm on both sides, and a soft maximum of the differences.

Source: Miles & Mikolajczyk 2024, "Understanding the role of the projector in knowledge distillation", arXiv:2303.11098,
sections 3 and 4 (normalisation, projector, LogSum with exponent 4).
Departures: 1e-8 is added inside the logarithm, which a perfect fit would make minus infinite.
Defaults: ResNet-34 to 18 on ImageNet (imagenet/torchdistill/losses/single.py of the authors' code).
When: teacher and student of unlike capacity: the logarithm lets the differences that cannot be closed be.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, softened_kl, widened
from tutelage.methods._relations import pairs_of
from tutelage.methods.adapters import embedding_widths
from tutelage.methods.base import Adapted, Claims, Range, Weight


def srd_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B D"], exponent: float = 4.0) -> Float[Tensor, ""]:
    """log(1e-8 + sum_{b,d} |s - t|^exponent), natural; s and t standardised over the batch (variance + 1e-4).

    A sum over the batch inside the logarithm: twice the batch adds log 2 and leaves the gradient's direction alone.

    Args:
        student: Projected to the teacher's width.
        teacher: Any scale and offset.
        exponent: >= 1.

    Raises:
        ValueError: B < 2 (no deviation).
    """
    difference = _standardized(pairs_of(student)) - _standardized(pairs_of(teacher.detach()))
    return (difference.abs().pow(exponent).sum() + 1e-8).log()


def _standardized(x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return F.batch_norm(x, None, None, training=True, eps=1e-4)


@dataclass(frozen=True)
class SRD(Adapted):
    """label_weight CE + feature_weight log sum_bd |bn(P h) - bn(h')|^exponent + logit_weight KL(teacher || student).

    h the student's embedding, h' the teacher's, P linear, bn batch norm without scale and shift, KL at temperature 1.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(
        why="the projection is random",
        couples_batch="a dimension is standardised over the batch, and the logarithm is of a sum over it",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    feature_weight: Weight = 2.0
    """Weight of the embeddings, >= 0; published: 2."""
    logit_weight: Weight = 1.0
    """Weight of the softmax outputs, >= 0; published: 1."""
    exponent: Annotated[float, Range(1, 8, search=(1, 6))] = 4.0
    """How much the largest differences dominate, in [1, 8]; published: 4."""

    def losses(self, student, teacher, context, adapters):
        projected = adapters(widened(student.embedding))
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "feature": self.feature_weight * srd_loss(projected, teacher.embedding, self.exponent),
            "logit": self.logit_weight * softened_kl(student.logits, teacher.logits, 1.0),
        }

    def parts(self, student, teacher, samples):
        return nn.Linear(*embedding_widths(student, teacher))
