"""Semantic calibration: attention decides which of the teacher's stages each student stage learns from.

Source: Chen, Mei, Zhang, Wang, Wang, Feng & Chen 2021, arXiv:2012.03236, AAAI version, section "Semantic calibration".
Departures: a sample's query and key come from its similarities to the batch, published as a vector of the batch's
length in the batch's order: another batch size stops the program, another order changes the result. Here they are
sorted and read at `points` equal steps: at a batch of `points` samples, the published numbers in descending order.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100, the example of the authors' code (scripts/run_cifar_distill.sh). The term is
quadratic in the teacher's features: where their mean square is 3 and more, 400 may diverge (docs/log.md), in the
authors' code too. Then clip the gradient (fit.clip_norm = 1) or take less.
When: stages do not correspond. As many regressors as there are pairs of stages: slow, and large for wide teachers.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._pairs import require_stages, same_size
from tutelage.methods._relations import pairs_of, unit
from tutelage.methods.adapters import conv_bn
from tutelage.methods.base import Adapted, Claims, Range, Weight
from tutelage.outputs import Sizes


def similarity_profile(features: Float[Tensor, "B *shape"], points: int) -> Float[Tensor, "B {points}"]:
    """Each sample's inner products with the batch, in descending order, read at equal steps by linear interpolation.

    The batch's size and order leave no trace. Memory O(B^2 + B points).

    Raises:
        ValueError: B < 2 (no pairs).
    """
    rows = pairs_of(features).flatten(1)
    ordered = (rows @ rows.T).sort(dim=1, descending=True).values
    rank = torch.arange(len(rows), device=rows.device, dtype=rows.dtype)
    where = torch.linspace(0, len(rows) - 1, points, device=rows.device, dtype=rows.dtype)
    # Hat functions: a product instead of a gather, whose gradient would add up in no fixed order on a GPU.
    return ordered @ (1 - (rank[:, None] - where).abs()).clamp_min(0)


class Association(nn.Module):
    """Queries of the student's stages, keys of the teacher's, and a regressor for every pair of them."""

    def __init__(self, student: Sizes, teacher: Sizes, points: int):
        super().__init__()
        self.points = points
        self.queries = nn.ModuleList(_embedding(points) for _ in student.features)
        self.keys = nn.ModuleList(_embedding(points) for _ in teacher.features)
        # Student stage by student stage; within one, teacher stage by teacher stage.
        self.regressors = nn.ModuleList(_regressor(s[0], t[0]) for s in student.features for t in teacher.features)

    def attention(self, student: list[Tensor], teacher: list[Tensor], temperature: float) -> Float[Tensor, "B S T"]:
        """Each sample's share of every teacher stage in the lesson of every student stage; sums to 1 over T."""
        queries = torch.stack([unit(q(similarity_profile(f, self.points))) for q, f in zip(self.queries, student)], 1)
        keys = torch.stack([unit(k(similarity_profile(f, self.points))) for k, f in zip(self.keys, teacher)], 1)
        return (queries @ keys.transpose(1, 2) / temperature).softmax(dim=2)

    def distances(self, student: list[Tensor], teacher: list[Tensor]) -> Float[Tensor, "B S T"]:
        """Mean squared difference of every pair's maps, sample by sample."""
        maps = [(f_s, f_t) for f_s in student for f_t in teacher]
        distances = [_distance(regressor, f_s, f_t) for regressor, (f_s, f_t) in zip(self.regressors, maps)]
        return torch.stack(distances, 1).unflatten(1, (len(student), len(teacher)))


def _distance(regressor: nn.Module, f_s: Tensor, f_t: Tensor) -> Float[Tensor, " B"]:
    f_s, f_t = same_size(f_s, f_t)
    return F.mse_loss(regressor(f_s), f_t, reduction="none").flatten(1).mean(dim=1)


def _embedding(points: int) -> nn.Sequential:
    width = max(points // 4, 1)
    return nn.Sequential(nn.Linear(points, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))


def _regressor(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        conv_bn(inputs, 2 * outputs, relu=True),
        conv_bn(2 * outputs, 2 * outputs, 3, relu=True),
        nn.Conv2d(2 * outputs, outputs, 1, bias=False),
    )


@dataclass(frozen=True)
class SemCKD(Adapted):
    """label_weight CE + teacher_weight mean over samples and student stages of sum_j a_ij mean (R_ij(f_i) - f'_j)^2.

    a = softmax_j(q_i . k_j / temperature); q_i and k_j embed a sample's similarities to the batch in stage i of the
    student and stage j of the teacher; R three convolutions; f and f' averaged to their smaller size.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        why="the attention is random",
        couples_batch="similarities to the batch are compared",
        batch_norm="the regressors",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(40, 4000), log=True)] = 400.0
    """Weight of the maps, >= 0; published for CIFAR-100: 400."""
    temperature: Annotated[float, Range(0, open=True)] = 1.0
    """Divides the attention's scores, > 0; published: 1."""
    points: Annotated[int, Range(2, 4096)] = 64
    """Length of the similarity profiles, in [2, 4096]; published: the batch size, 64."""

    def losses(self, student, teacher, context, adapters):
        ours = [widened(f) for f in student.features]
        theirs = [widened(f.detach()) for f in teacher.features]
        shares = adapters.attention(ours, theirs, self.temperature)
        calibrated = (shares * adapters.distances(ours, theirs)).sum(dim=2).mean()
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * calibrated,
        }

    def parts(self, student, teacher, samples):
        require_stages(student, teacher)
        return Association(student, teacher, self.points)
