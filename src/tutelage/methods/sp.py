"""Similarity-preserving distillation: images alike to the teacher are alike to the student.

Source: Tung & Mori 2019, arXiv:1907.09682, section 3 (similarity matrices of flattened maps, row-wise L2 norm).
Departures: none. One pair of stages, the last, as published.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: maps of any two shapes, without trainable parts; large batches. Memory O(B^2 + B C H W).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._pairs import pair_stages
from tutelage.methods._relations import pairs_of, unit
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import VALUE_AND_GRADIENT, Adapted, Claims, Range, Weight


def sp_loss(student: Float[Tensor, "B *shape"], teacher: Float[Tensor, "B *other"]) -> Float[Tensor, ""]:
    """|G - G'|^2 / B^2 (Frobenius): G the Gram matrix of the flattened rows, each row of G scaled to length 1.

    Args:
        student: A map or an embedding.
        teacher: Of any shape but the batch.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    return F.mse_loss(_similarity(pairs_of(student)), _similarity(pairs_of(teacher.detach())))


def _similarity(x: Float[Tensor, "B *shape"]) -> Float[Tensor, "B B"]:
    rows = x.flatten(1)
    return unit(rows @ rows.T)


@dataclass(frozen=True)
class SP(Adapted):
    """label_weight CE + teacher_weight sum over pairs of |G - G'|^2 / B^2.

    G = F F^T with rows scaled to length 1, F the student's flattened maps [B, C H W]; G' the same of the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a squared difference of similarities",
        couples_batch="pairs of samples are compared",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(300, 3e4), log=True)] = 3000.0
    """Weight of the similarities, >= 0; published for CIFAR-100: 3000."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position; empty: the last pair."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(sp_loss(f_s, f_t) for f_s, f_t in maps),
        }

    def parts(self, student, teacher, samples):
        pairs = pair_stages(student, teacher, self.pairs)
        return StagePairs(pairs if self.pairs else pairs[-1:])
