"""Hard distillation: the teacher's decision as a second label.

Source: Touvron et al. 2021, arXiv:2012.12877, eq. 3.
Departures: one classifier learns from both labels; the paper's distillation token is for transformers.
Defaults: eq. 3 of the paper, halves: DeiT taught by RegNetY-16GF on ImageNet.
When: only the teacher's decisions are known, or its probabilities are not to be trusted.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.base import MEAN, Claims, Method, Share


def hard_label_loss(student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"]) -> Float[Tensor, ""]:
    """CE(argmax teacher, student), in nats, mean over the batch. Half-precision logits are computed in float32."""
    return F.cross_entropy(widened(student_logits), teacher_logits.argmax(dim=1))


@dataclass(frozen=True)
class HardLabel(Method):
    """(1 - alpha) CE(labels, student) + alpha CE(argmax teacher, student)."""

    claims: ClassVar[Claims] = Claims(why="the student is never as sure as a decision", duplicates=MEAN)
    alpha: Share = 0.5
    """Share of the teacher's term, in [0, 1]; 0.5 in the paper."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * hard_label_loss(student.logits, teacher.logits),
        }
