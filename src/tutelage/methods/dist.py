"""DIST: match the order and spacing of probabilities, not their values, within samples and within classes.

Source: Huang et al. 2022, arXiv:2205.10536, section 3; weights of its CIFAR-100 settings.
Departures: none at `epsilon` 0. The authors' code adds 1e-8 to the product of the two norms under every correlation,
    and its published numbers stand on it: it silences a class that neither network expects in the batch, where the
    equation alone compares probabilities of nearly 0. A batch of 16 of CIFAR-10 at T = 1, ResNet-56 and ResNet-20: the
    gradients without it were up to 58,000 times those with it; at T = 4, or where every class occurs, the same to 1e-4.
Defaults: all pairs on CIFAR-100 (configs/strategies/distill/dist_cifar.yaml of the authors' code); on ImageNet T = 1
    (resnet_dist.yaml there: ResNet-34 to 18).
When: the teacher is much stronger than the student, or trained by a stronger recipe: exact values are then too much
    to ask. The relation within classes needs batches in which every class occurs a few times.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Method, Range, Temperature, Weight


def pearson(x: Float[Tensor, "N M"], y: Float[Tensor, "N M"], epsilon: float = 0.0) -> Float[Tensor, " N"]:
    """Pearson's correlation of every row of x with that of y, in [-1, 1]; 0 for a constant row.

    Args:
        x: One sequence a row.
        y: The same.
        epsilon: >= 0, added to the product of the two norms that divides: nearly constant rows go to 0.
    """
    x, y = x - x.mean(dim=1, keepdim=True), y - y.mean(dim=1, keepdim=True)
    if epsilon:
        return (x * y).sum(dim=1) / (x.norm(dim=1) * y.norm(dim=1) + epsilon)
    return F.cosine_similarity(x, y, dim=1, eps=1e-8)


def dist_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    inter_weight: float = 1.0,
    intra_weight: float = 1.0,
    temperature: float = 4.0,
    epsilon: float = 0.0,
) -> Float[Tensor, ""]:
    """T^2 (inter_weight (1 - mean_b rho(rows)) + intra_weight (1 - mean_c rho(columns))) of softmax(z / T).

    No unit, in [0, 2 T^2 (inter_weight + intra_weight)]. Rows are samples, columns classes: the second part depends
    on which samples share a batch. Half-precision logits are computed and answered in float32; the teacher gets no
    gradient. `epsilon`: see `pearson`; the authors' code: 1e-8.
    """
    p_s = F.softmax(widened(student_logits) / temperature, dim=1)
    p_t = F.softmax(widened(teacher_logits.detach()) / temperature, dim=1)
    inter = 1 - pearson(p_s, p_t, epsilon).mean()
    intra = 1 - pearson(p_s.T, p_t.T, epsilon).mean()
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


@dataclass(frozen=True)
class DIST(Method):
    """label_weight CE(labels, student) + teacher_weight T^2 (inter_weight INTER + intra_weight INTRA).

    INTER = 1 - mean over samples, INTRA = 1 - mean over classes, of Pearson's correlation of the two networks'
    probabilities at T, along a sample's classes and along a class's samples.
    """

    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="correlations at their maximum",
        duplicates="correlations of a sequence twice over",
        couples_batch="a class is compared over the samples of the batch",
    )
    temperature: Temperature = 4.0
    """T > 0; 4 on CIFAR-100, 1 on ImageNet."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    teacher_weight: Weight = 2.0
    """Weight of the teacher's term, >= 0; 2 on CIFAR-100."""
    inter_weight: Weight = 1.0
    """Weight of the relation between classes within a sample (the paper's beta), >= 0; 1 on CIFAR-100."""
    intra_weight: Weight = 1.0
    """Weight of the relation between samples within a class (the paper's gamma), >= 0; 1 on CIFAR-100."""
    epsilon: Annotated[float, Range(0, 1)] = 0.0
    """Added to the norms' product under every correlation, in [0, 1]; the authors' code: 1e-8, the equation: 0."""

    def losses(self, student, teacher, context, adapters):
        weights = (self.inter_weight, self.intra_weight)
        loss = dist_loss(student.logits, teacher.logits, *weights, self.temperature, self.epsilon)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * loss,
        }
