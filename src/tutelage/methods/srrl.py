"""Softmax regression representation learning: the teacher's classifier must read the student's embedding.

Source: Yang, Martinez, Bulat & Tzimiropoulos 2021, ICLR (openreview.net/forum?id=ZzwDy_wiWv), section 3: feature
matching, and softmax regression as an L2 loss on the logits of the teacher's classifier.
Departures: the projection ends in batch norm: the authors' code adds a ReLU, which a teacher whose embedding has
negative entries could not be matched through.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100, both terms with weight 1 (scripts/run_distill.sh of SimKD's code). cls_KD
has regression_weight 5 for ResNet-34 to 18 there, and 1 on ImageNet.
When: the teacher ends in a linear layer and its embeddings are cached. One linear layer and a batch norm are trained.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.adapters import FrozenHead, embedding_widths
from tutelage.methods.base import Adapted, Claims, Weight
from tutelage.outputs import Sizes


class Reader(nn.Module):
    """The student's embedding in the teacher's width, and what the teacher's classifier reads from it."""

    def __init__(self, student: Sizes, teacher: Sizes):
        super().__init__()
        inputs, outputs = embedding_widths(student, teacher)
        self.projection = nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs))
        self.head = FrozenHead(teacher)

    def forward(self, embedding):
        projected = self.projection(widened(embedding))
        return projected, self.head(projected)


@dataclass(frozen=True)
class SRRL(Adapted):
    """label_weight CE + feature_weight mean (P h - h')^2 + regression_weight mean (W' P h + b' - z')^2.

    h the student's embedding, h' the teacher's, W' and b' its last layer, z' its logits; P linear and batch norm; means
    over the batch and the entries.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding", "head"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    claims: ClassVar[Claims] = Claims(why="the projection is random", batch_norm="the projection")

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    feature_weight: Weight = 1.0
    """Weight of the embeddings, >= 0; published: 1."""
    regression_weight: Weight = 1.0
    """Weight of the teacher's classifier's logits, >= 0; the authors' code: 1."""

    def losses(self, student, teacher, context, adapters):
        projected, read = adapters(student.embedding)
        feature = F.mse_loss(projected, widened(teacher.embedding.detach()))
        regression = F.mse_loss(read, widened(teacher.logits.detach()))
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "feature": self.feature_weight * feature,
            "regression": self.regression_weight * regression,
        }

    def parts(self, student, teacher, samples):
        return Reader(student, teacher)
