"""Probabilistic knowledge transfer: the chance that one sample picks another as its neighbour.

Source: Passalis & Tefas 2018, arXiv:1803.10837, section 3 (cosine kernel, conditional probabilities, KL divergence).
Departures: as in the published benchmarks, a sample counts among its own neighbours, and the divergence is the mean
over B^2 entries, not over B rows: the weight 30000 belongs to B = 64 and grows with B for the same effect.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: cached embeddings of another width than the student's, without any trainable part.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._relations import pairs_of, unit
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Method, Range, Weight

_FLOOR = 1e-7


def pkt_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Mean over B^2 of p log(p / q), in nats: p the teacher's neighbour probabilities, q the student's.

    Probabilities are the cosines, mapped to [0, 1], divided by their sum over the row; none counts as less than 1e-7 in
    a logarithm. Memory O(B^2).

    Raises:
        ValueError: B < 2 (no pairs).
    """
    p, q = _neighbours(pairs_of(teacher.detach())), _neighbours(pairs_of(student))
    return (p * (p.clamp_min(_FLOOR) / q.clamp_min(_FLOOR)).log()).mean()


def _neighbours(x: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    direction = unit(x)
    # Rounding can put a cosine below -1, and a probability below 0.
    affinity = ((direction @ direction.T + 1) / 2).clamp_min(0)
    return affinity / affinity.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class PKT(Method):
    """label_weight CE + teacher_weight mean_ij p_ij log(p_ij / q_ij).

    q_ij = k_ij / sum_j k_ij, k_ij = (cos(h_i, h_j) + 1) / 2 of the student's embeddings h; p the same of the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="a KL divergence", couples_batch="pairs of samples are compared"
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(3e3, 3e5), log=True)] = 3e4
    """Weight of the divergence, >= 0; published for CIFAR-100: 30000 at batches of 64."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * pkt_loss(student.embedding, teacher.embedding),
        }
