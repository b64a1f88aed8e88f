"""Teacher-free distillation: a virtual teacher that is always right and equally unsure of all else.

Source: Yuan et al. 2020, arXiv:1909.11723, Tf-KD_reg.
Departures: the term has Hinton's factor T^2, without which it is some T^2 = 400 times too small to matter (the authors'
    code multiplies it by a constant of each network instead); both sides are softened by the same T, as in the paper
    (the authors' code softens the teacher's probabilities as if they were logits, and the student not at all).
Defaults: T and alpha of ResNet-18 on CIFAR-100 (experiments/base_experiments/base_resnet18/params.json of the
    authors' code), `correct` for all networks (my_loss_function.py). MobileNetV2 there has T = 40 and alpha = 0.95.
When: there is no teacher, and label smoothing is to be beaten by one that can be softened.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, softened_kl, widened
from tutelage.methods.base import MEAN, Claims, Method, Range, Share, Temperature


def virtual_teacher(
    labels: Int64[Tensor, " B"], classes: int, correct: float = 0.99, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "B C"]:
    """Logits of a teacher that gives each label the probability `correct` and the rest evenly to the other classes.

    A temperature softens them as it softens any teacher's.
    """
    margin = math.log(correct) - math.log((1 - correct) / (classes - 1))
    return F.one_hot(labels, classes).to(dtype) * margin


def tf_kd_loss(
    student_logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"], correct: float = 0.99, temperature: float = 20.0
) -> Float[Tensor, ""]:
    """T^2 KL(virtual_T || student_T), in nats, mean over the batch. Half-precision logits are computed in float32."""
    z_s = widened(student_logits)
    return softened_kl(z_s, virtual_teacher(labels, z_s.shape[1], correct, z_s.dtype), temperature)


@dataclass(frozen=True)
class TfKD(Method):
    """(1 - alpha) CE(labels, student) + alpha T^2 KL(virtual_T || student_T), virtual = `correct` on the label."""

    needs: ClassVar[frozenset[str]] = frozenset()
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(why="the teacher is virtual", duplicates=MEAN)

    correct: Annotated[float, Range(0, 0.9999, open=True)] = 0.99
    """The virtual teacher's probability of the label, in (0, 0.9999]; 0.99 in the paper."""
    temperature: Temperature = 20.0
    """T > 0; 20 and more in the paper."""
    alpha: Share = 0.1
    """Share of the virtual teacher's term, in [0, 1]; 0.1 for ResNet-18 on CIFAR-100 in the authors' settings."""

    def losses(self, student, teacher, context, adapters):
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.alpha * tf_kd_loss(student.logits, context.labels, self.correct, self.temperature),
        }
