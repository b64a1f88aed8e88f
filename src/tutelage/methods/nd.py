"""Norm and direction: the student's embedding points where the teacher's mean of the class does, and is as long.

Source: Wang, Cheng, Duan, Wang, Zhang & Chen 2023, arXiv:2305.17007, section 3 (the ND loss of KD++, DKD++
    and ReviewKD++).
Departures: the means of the classes are taken over the views seen so far and not in a pass of their own: after an epoch
    they are those of all images. No dropout in front of the projection, which is there where the widths differ.
Defaults: the weight of KD++ for ResNet-56 to 20 and ResNet-32x4 to 8x4 on CIFAR-100 (CIFAR/train_cifar.sh of the
    authors' code); 0.5 to 4 for other pairs, 0.5 beside dkd for ResNet-32x4 to 8x4.
When: beside another method, whose cost it hardly changes: `kd+nd`, `dkd+nd` and `review_kd+nd` are KD++, DKD++ and
    ReviewKD++. Embeddings are cached. KD++ as published for ResNet-56 to 20 is `baseline+kd+nd` with
    `--method.first.second.alpha 1`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._relations import unit
from tutelage.methods.adapters import embedding_widths
from tutelage.methods.base import Adapted, Claims, Range, Weight


def nd_loss(
    student: Float[Tensor, "B D"], teacher: Float[Tensor, "B D"], centre: Float[Tensor, "B D"]
) -> Float[Tensor, ""]:
    """1 - h . c / (|c| max(|h|, |h'|)), mean over the batch: in [0, 2], no unit.

    0 where h has the direction of c and at least the length of h'.

    Args:
        student: h.
        teacher: h', of the same images.
        centre: c, the mean of the teacher's embeddings over the image's class.
    """
    h, other = widened(student), widened(teacher.detach())
    # The longest of both, without the root's infinite gradient where an embedding is zero.
    longest = torch.maximum(h.square().sum(dim=1), other.square().sum(dim=1)).clamp_min(1e-16).sqrt()
    return 1 - ((h * unit(widened(centre.detach()))).sum(dim=1) / longest).mean()


class Centres(nn.Module):
    """The mean of the teacher's embeddings of every class, and the student's embedding in the teacher's width."""

    means: Tensor
    counts: Tensor

    def __init__(self, student: int, teacher: int, classes: int):
        super().__init__()
        self.projection = nn.Identity() if student == teacher else _projection(student, teacher)
        self.register_buffer("means", torch.zeros(classes, teacher))
        self.register_buffer("counts", torch.zeros(classes, dtype=torch.int64))

    @torch.no_grad()
    def met(self, embedding: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """Takes up a batch; the mean of each row's class, this batch included."""
        rows = embedding.detach().to(self.means.dtype)
        self.counts.index_add_(0, labels, torch.ones_like(labels))
        self.means.index_add_(0, labels, (rows - self.means[labels]) / self.counts[labels][:, None])
        return self.means[labels]


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    linear = nn.Linear(inputs, outputs)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.BatchNorm1d(inputs), linear)


@dataclass(frozen=True)
class ND(Adapted):
    """label_weight CE + teacher_weight (1 - h . c / (|c| max(|h|, |h'|))), mean over the batch.

    h the student's embedding (through batch norm and a linear layer where the widths differ), h' the teacher's, c the
    mean of h' over the image's class.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="the teacher's own embeddings lie around the mean of their class",
        couples_batch="the means of the classes come from the batch",
        batch_norm="the projection",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(0.25, 8), log=True)] = 2.0
    """Weight of the embeddings, >= 0; published: 0.5 to 2 beside kd, 0.5 to 4 beside dkd."""

    def losses(self, student, teacher, context, adapters):
        """As in the base class. Side effect: the means of the classes take up this batch."""
        centre = adapters.met(teacher.embedding, context.labels)
        loss = nd_loss(adapters.projection(widened(student.embedding)), teacher.embedding, centre)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * loss,
        }

    def parts(self, student, teacher, samples):
        return Centres(*embedding_widths(student, teacher), teacher.classes)
