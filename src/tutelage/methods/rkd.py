"""Relational knowledge distillation: the student's batch has the teacher's distances and angles.

Source: Park, Kim, Lu & Cho 2019, arXiv:1904.05068, section 3.2 (distance-wise and angle-wise losses).
Departures: sums over tuples are means over B^2 and B^3, as in the published benchmarks, whose weights therefore hold.
Equal embeddings (distance 0) give no gradient instead of an infinite one.
When: the embeddings differ in width and no projection is wanted. Memory: distances O(B^2), angles O(B^2 D + B^3).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._base import Method, Range, Weight
from tutelage.methods._common import label_cross_entropy
from tutelage.methods._relations import pairs_of, unit


def rkd_distance_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Huber loss between the two batches' pairwise distances, each divided by its own mean over the pairs.

    Returns:
        Mean over the B^2 ordered pairs, those of a sample with itself (0) included; 0 if and only if the distance
        matrices are proportional.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    return F.smooth_l1_loss(_relative_distances(pairs_of(student)), _relative_distances(pairs_of(teacher.detach())))


def rkd_angle_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Huber loss between the cosines of the angles ijk that triples of samples form at j.

    Memory O(B^2 D + B^3): 34 MB for B = 128, D = 512 in float32, and as much again for the gradient.

    Returns:
        Mean over the B^3 ordered triples, degenerate ones (cosine 0) included.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    return F.smooth_l1_loss(_cosines(pairs_of(student)), _cosines(pairs_of(teacher.detach())))


def _relative_distances(x: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    # Differences, not the Gram matrix: |x|^2 + |y|^2 - 2xy loses the digits of small distances.
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    mean = distances.sum() / (len(x) * (len(x) - 1))
    return distances / mean.clamp_min(1e-12)


def _cosines(x: Float[Tensor, "B D"]) -> Float[Tensor, "B B B"]:
    directions = unit(x[None] - x[:, None])
    return directions @ directions.transpose(1, 2)


@dataclass(frozen=True)
class RKD(Method):
    """label_weight CE + distance_weight mean_ij huber(d_ij, d'_ij) + angle_weight mean_ijk huber(a_ijk, a'_ijk).

    d_ij = |h_i - h_j| / mean |h_i - h_j|, a_ijk = cos of the angle at h_j; h the student's embedding, ' the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    distance_weight: Annotated[float, Range(0, search=(2.5, 250), log=True)] = 25.0
    """Weight of the distances, >= 0; published: 25."""
    angle_weight: Annotated[float, Range(0, search=(5, 500), log=True)] = 50.0
    """Weight of the angles, >= 0; published: 50. At 0 their B^3 cosines are not computed."""

    def losses(self, student, teacher, context, adapters):
        terms = {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "distance": self.distance_weight * rkd_distance_loss(student.embedding, teacher.embedding),
        }
        if self.angle_weight:
            terms["angle"] = self.angle_weight * rkd_angle_loss(student.embedding, teacher.embedding)
        return terms
