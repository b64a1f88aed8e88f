"""Multi-level logit distillation: probabilities, likenesses of samples and likenesses of classes, at five heats.

Source: Jin, Wang & Lin 2023, CVPR (Multi-Level Logit Distillation), section 3; `standardize`: Sun et al. 2024,
    arXiv:2403.01427, algorithm 1, for the instances' term alone.
Departures: every view counts alike, and terms are means over views. The authors train on a weak and a strong view of
    every image (`--second-view True`; their strong one is AutoAugment's), forward one by one; of the weak ones the less
    sure half of the samples and of the classes was to count, but their code masks what is a mean already, which halves
    its weight; it compares samples and classes in weak views only.
Defaults: all pairs on CIFAR-100: kd's weights of mdistiller/engine/cfg.py, on which the authors' code stands, times 1/2
    for samples and classes. Standardised logits, ResNet-32x4 to 8x4 (README of the authors of `standardize`):
    `--method.standardize True --method.instance_weight 9 --method.batch_weight 4.5 --method.class_weight 4.5`.
When: batches are large enough for every class to occur, but classes are many. The published gains stand on 480 epochs
    with two views a step.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, softened_kl, standardized, widened
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Method, Published, Range, Weight

TEMPERATURES = (2.0, 3.0, 4.0, 5.0, 6.0)
"""At which every term is summed (the authors' code)."""


def sample_likeness_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], temperature: float
) -> Float[Tensor, ""]:
    """|P P' - Q Q'|^2 / B, P and Q the softmax outputs at T, a row a sample: who is taken for alike, [B, B]."""
    p, q = _softened(teacher_logits.detach(), temperature), _softened(student_logits, temperature)
    return (p @ p.T - q @ q.T).square().sum() / len(p)


def class_likeness_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], temperature: float
) -> Float[Tensor, ""]:
    """|P' P - Q' Q|^2 / C: which classes are taken for each other, [C, C], summed over the batch."""
    p, q = _softened(teacher_logits.detach(), temperature), _softened(student_logits, temperature)
    return (p.T @ p - q.T @ q).square().sum() / p.shape[1]


def _softened(logits: Float[Tensor, "B C"], temperature: float) -> Float[Tensor, "B C"]:
    return F.softmax(widened(logits) / temperature, dim=1)


@dataclass(frozen=True)
class MLKD(Method):
    """label_weight CE + sum_T (instance_weight T^2 KL + batch_weight |PP'-QQ'|^2 / B + class_weight |P'P-Q'Q|^2 / C).

    P and Q: the teacher's and the student's softmax outputs at T, a row a sample; T = 2, 3, 4, 5, 6. Where the recipe
    shows a second view, likenesses are within a view, and terms are means over the two.
    """

    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a KL divergence and squared differences",
        couples_batch="likenesses of samples and of classes",
        published=(
            Published("batch_weight", by_classes=1, by_batch=1),
            Published("class_weight", by_classes=2, by_batch=2),
        ),
        two_views="its published numbers are of a weak and a strong view of every image, together in each step",
    )

    label_weight: Weight = 0.1
    """Weight of the labels, >= 0; published: 0.1."""
    instance_weight: Annotated[float, Range(0, search=(0.1, 10), log=True)] = 0.9
    """Weight of the probabilities, >= 0; published: 0.9, with standardised logits 9."""
    batch_weight: Annotated[float, Range(0, search=(0.05, 5), log=True)] = 0.45
    """Weight of the likenesses of samples, >= 0; published: 0.9, halved by the mask."""
    class_weight: Annotated[float, Range(0, search=(0.05, 5), log=True)] = 0.45
    """Weight of the likenesses of classes, >= 0; published: 0.9, halved by the mask."""
    standardize: bool = False
    """Standardise both logits per sample before softening, for the probabilities' term."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits
        s, t = (standardized(z_s), standardized(z_t)) if self.standardize else (z_s, z_t)
        views = list(zip(z_s.chunk(context.views), z_t.chunk(context.views)))
        batch = sum(sample_likeness_loss(*view, heat) for view in views for heat in TEMPERATURES)
        classes = sum(class_likeness_loss(*view, heat) for view in views for heat in TEMPERATURES)
        return {
            "label": self.label_weight * label_cross_entropy(z_s, context),
            "instance": self.instance_weight * sum(softened_kl(s, t, heat) for heat in TEMPERATURES),
            "batch": self.batch_weight * batch / context.views,
            "class": self.class_weight * classes / context.views,
        }
