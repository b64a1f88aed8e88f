"""Relational knowledge distillation: the student's batch has the teacher's distances and angles.

Source: Park, Kim, Lu & Cho 2019, arXiv:1904.05068, section 3.2 (distance-wise and angle-wise losses).
Departures: sums over tuples are means over B^2 and B^3, as in the published benchmarks, whose weights therefore hold.
Equal embeddings (distance 0) give no gradient instead of an infinite one. Cosines come from the distances (the law of
cosines) and these from inner products in float64: no array of B x B x D differences is made, and no digit is lost.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: the embeddings differ in width and no projection is wanted. Memory: distances O(B^2), angles O(B^3).
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._relations import pairs_of
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Method, Range, Weight


def rkd_distance_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Huber loss between the two batches' pairwise distances, each divided by its own mean over the pairs.

    Returns:
        Mean over the B^2 ordered pairs, those of a sample with itself (0) included; 0 if and only if the distance
        matrices are proportional.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    return _distance_loss(_squares(student), _squares(teacher.detach()))


def rkd_angle_loss(student: Float[Tensor, "B D"], teacher: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Huber loss between the cosines of the angles ijk that triples of samples form at j.

    Memory O(B^3): 8 MB a step of the formula for B = 128, whatever the width of the embeddings.

    Returns:
        Mean over the B^3 ordered triples, degenerate ones (cosine 0) included.

    Raises:
        ValueError: B < 2 (no pairs).
    """
    return _angle_loss(_squares(student), _squares(teacher.detach()))


def _distance_loss(student: Float[Tensor, "B B"], teacher: Float[Tensor, "B B"]) -> Float[Tensor, ""]:
    """From squared distances."""
    return F.smooth_l1_loss(_relative_distances(student), _relative_distances(teacher))


def _relative_distances(squares: Float[Tensor, "B B"]) -> Float[Tensor, "B B"]:
    distances = squares * _inverse_distances(squares)
    mean = distances.sum() / (len(squares) * (len(squares) - 1))
    return distances / mean.clamp_min(1e-12)


def _angle_loss(student: Float[Tensor, "B B"], teacher: Float[Tensor, "B B"]) -> Float[Tensor, ""]:
    """From squared distances."""
    return cast(Tensor, _AngleLoss.apply(student, teacher))


class _AngleLoss(torch.autograd.Function):
    """The gradient is written out: a third of the arrays of B^3 that autograd would fill.

    With c_jik = v_ji v_jk (s_ji + s_jk - s_ik) / 2, v = s^(-1/2), and g = dL/dc, symmetric in i and k as c is:
    dL/ds_ji = v_ji sum_k g_jik v_jk - v_ji^2 sum_k g_jik c_jik, and dL/ds_ik = -1/2 sum_j v_ji v_jk g_jik besides.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor) -> Tensor:
        v = _inverse_distances(student)
        cosines, difference = _cosines(student, v), _cosines(teacher, _inverse_distances(teacher))
        torch.sub(cosines, difference, out=difference)
        slope = difference.clamp(-1, 1)
        # Huber's function is slope (difference - slope / 2).
        loss = torch.dot(slope.flatten(), difference.sub_(slope, alpha=0.5).flatten()) / slope.numel()
        gradient = v * torch.bmm(slope, v[:, :, None])[:, :, 0] - v * v * cosines.mul_(slope).sum(2)
        gradient -= 0.5 * slope.mul_(v[:, :, None]).mul_(v[:, None, :]).sum(0)
        ctx.save_for_backward(gradient / slope.numel())
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.saved_tensors[0], None


def _cosines(squares: Float[Tensor, "B B"], inverse: Float[Tensor, "B B"]) -> Float[Tensor, "B B B"]:
    """At [j, i, k] the cosine of the angle at j between i and k: (d_ji^2 + d_jk^2 - d_ik^2) / (2 d_ji d_jk)."""
    both = squares[:, :, None] + squares[:, None, :]
    return both.sub_(squares).mul_(0.5 * inverse[:, :, None]).mul_(inverse[:, None, :])


def _inverse_distances(squares: Float[Tensor, "B B"]) -> Float[Tensor, "B B"]:
    far = squares > 0
    return torch.where(far, torch.where(far, squares, 1).rsqrt(), 0)


def _squares(x: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Squared distances; 0 where they are nothing but rounding."""
    return cast(Tensor, _Squares.apply(pairs_of(x)))


class _Squares(torch.autograd.Function):
    """|x|^2 + |y|^2 - 2xy loses half of the digits of small distances: in float64 (which MPS lacks) none of float32's.

    The gradient, 2 sum_j (g_ij + g_ji) (x_i - x_j), has nothing to lose so, and is one product in the embeddings' type.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        wide = x if x.device.type == "mps" else x.double()
        wide = wide - wide.mean(dim=0)
        products = wide @ wide.T
        both = products.diagonal()[:, None] + products.diagonal()
        squares = both - 2 * products
        far = squares > 1024 * torch.finfo(wide.dtype).eps * both + 1e-16
        ctx.save_for_backward(wide.to(x.dtype), far)
        return torch.where(far, squares, 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, far = ctx.saved_tensors
        g = torch.where(far, gradients[0], 0)
        g = g + g.T
        return 2 * (g.sum(dim=1, keepdim=True) * x - g @ x)


@dataclass(frozen=True)
class RKD(Method):
    """label_weight CE + distance_weight mean_ij huber(d_ij, d'_ij) + angle_weight mean_ijk huber(a_ijk, a'_ijk).

    d_ij = |h_i - h_j| / mean |h_i - h_j|, a_ijk = cos of the angle at h_j; h the student's embedding, ' the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="differences of distances and angles",
        couples_batch="pairs and triples of samples are compared",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    distance_weight: Annotated[float, Range(0, search=(2.5, 250), log=True)] = 25.0
    """Weight of the distances, >= 0; published: 25."""
    angle_weight: Annotated[float, Range(0, search=(5, 500), log=True)] = 50.0
    """Weight of the angles, >= 0; published: 50. At 0 their B^3 cosines are not computed."""

    def losses(self, student, teacher, context, adapters):
        ours, theirs = _squares(student.embedding), _squares(teacher.embedding.detach())
        terms = {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "distance": self.distance_weight * _distance_loss(ours, theirs),
        }
        if self.angle_weight:
            terms["angle"] = self.angle_weight * _angle_loss(ours, theirs)
        return terms
