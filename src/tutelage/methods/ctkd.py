"""Curriculum temperature: kd whose temperature is learned against the student, more so as training goes on.

Source: Li et al. 2023, arXiv:2211.16231, global-T with the cosine curriculum.
Departures: one temperature for all samples; the paper's other version, a small network that gives each sample its
    own, is left out. The curriculum moves with every step instead of every epoch.
Defaults: ResNet-56 to 20 on CIFAR-100 (scripts/run_cifar_distill.sh of the authors' code). Standardised logits for
    the same pair, cross-entropy 0.1 and teacher 9 (CTKD/scripts/run_cifar_distill.sh of the authors of
    `standardize`): `--method.standardize True --method.teacher_weight 10`.
When: no temperature is to be searched for.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, ramp, softened_kl, standardized
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Adapted, Claims, Epochs, Range, Share


class LearnedTemperature(nn.Module):
    """low + span * sigmoid(raw): a temperature in (low, low + span), of one trainable number."""

    def __init__(self, low: float, span: float):
        super().__init__()
        self.low, self.span = low, span
        self.raw = nn.Parameter(torch.ones(()))

    def forward(self, reversal: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The temperature, whose gradient comes back times -`reversal`: it is trained to raise the loss."""
        raw = self.raw.detach() + reversal * (self.raw.detach() - self.raw)
        return self.low + self.span * torch.sigmoid(raw)


@dataclass(frozen=True)
class CTKD(Adapted):
    """(1 - alpha) CE(labels, student) + teacher_weight alpha T^2 KL(teacher_T || student_T).

    T = low + span sigmoid(raw); raw is trained to raise the loss: its gradient is multiplied by
    -(1 - cos(pi min(epoch / loops, 1))) / 2.
    """

    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="a KL divergence at any temperature", duplicates=MEAN
    )
    alpha: Share = 0.9
    """Share of the teacher's term, in [0, 1]; 0.9 on CIFAR-100."""
    low: Annotated[float, Range(0, open=True)] = 1.0
    """The lowest temperature, > 0; 1 in the paper."""
    span: Annotated[float, Range(0)] = 20.0
    """From the lowest to the highest temperature, >= 0; 20 in the paper. It starts at low + 0.73 span."""
    loops: Epochs = 10.0
    """Epochs in which the reversed gradient grows from 0 to its full size; 10 in the paper, 0: full from the start."""
    standardize: bool = False
    """Standardise both logits per sample before softening."""
    teacher_weight: Annotated[float, Range(0)] = 1.0
    """Multiplies the teacher's term beside alpha, >= 0, for weights that do not add up to 1; not tuned."""

    def parts(self, student, teacher, samples):
        return LearnedTemperature(self.low, self.span)

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits
        if self.standardize:
            z_s, z_t = standardized(z_s), standardized(z_t)
        progress = torch.as_tensor(ramp(context.epoch, self.loops)).to(adapters.raw)
        temperature = adapters((1 - torch.cos(math.pi * progress)) / 2)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * self.alpha * softened_kl(z_s, z_t, temperature),
        }
