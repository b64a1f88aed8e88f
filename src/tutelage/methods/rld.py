"""Refined logits: distil the teacher's confidence and its ranking of wrong classes, but never its mistakes.

Source: Sun et al. 2024, arXiv:2408.07703, sample confidence (SCD) and masked correlation (MCD) distillation.
Departures: from log-sum-exp throughout; two classes are refused, because the masked term is then empty.
Defaults: one setting for all 14 pairs on CIFAR-100 (mdistiller/engine/cfg.py of the authors' code). On ImageNet T =
1, warm_up = 1, masked_weight 0.5 for ResNet-34 to 18 and 2 for ResNet-50 to MobileNetV1 (configs/imagenet).
When: the teacher is often wrong on the training images: a fine-tuned, small or noisy one.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.methods._common import (
    at_least_three_classes,
    label_cross_entropy,
    ramp,
    softened_kl,
    versus_rest,
    widened,
)
from tutelage.methods.base import MEAN, Claims, Epochs, Method, Range, Temperature, Weight


def rld_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    labels: Int64[Tensor, " B"],
    confidence_weight: float = 1.0,
    masked_weight: float = 8.0,
    confidence_temperature: float = 1.0,
    temperature: float = 4.0,
) -> Float[Tensor, ""]:
    """confidence_weight SCD + masked_weight MCD, in nats, mean over the batch.

    SCD = U^2 KL((max p_t, 1 - max p_t) || (p_s[y], 1 - p_s[y])) at U = confidence_temperature: be as sure of the true
    class as the teacher is of its own choice. MCD = T^2 KL over the classes the teacher ranks below the true one.
    Half-precision logits are computed and answered in float32; the teacher gets no gradient.

    Raises:
        UserError: fewer than three classes.
    """
    at_least_three_classes(student_logits, "rld")
    z_s, z_t = widened(student_logits), widened(teacher_logits.detach())
    scd = softened_kl(
        versus_rest(z_s / confidence_temperature, labels),
        versus_rest(z_t / confidence_temperature, z_t.argmax(dim=1)),
    )
    mask = z_t >= z_t.gather(1, labels[:, None])
    # Half of the lowest number: further differences stay finite, and its exponential is 0 all the same.
    lowest = torch.finfo(z_s.dtype).min / 2
    mcd = softened_kl((z_s / temperature).masked_fill(mask, lowest), (z_t / temperature).masked_fill(mask, lowest))
    return confidence_weight * confidence_temperature**2 * scd + masked_weight * temperature**2 * mcd


@dataclass(frozen=True)
class RLD(Method):
    """label_weight CE(labels, student) + min(epoch / warm_up, 1) (confidence_weight SCD + masked_weight MCD).

    SCD = U^2 KL((max p_t, 1 - max p_t) || (p_s[y], 1 - p_s[y])) at U; MCD = T^2 KL(teacher_T || student_T) over the
    classes whose teacher logit is below the label's.
    """

    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="where the teacher errs the student is to be right", duplicates=MEAN, three_classes=True
    )

    temperature: Temperature = 4.0
    """T > 0, of the masked term; 4 on CIFAR-100."""
    confidence_temperature: Temperature = 1.0
    """U > 0, of the confidence term; 1 on CIFAR-100."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    confidence_weight: Weight = 1.0
    """Weight of the confidence term (the paper's alpha), >= 0; 1 on CIFAR-100."""
    masked_weight: Annotated[float, Range(0, search=(0.5, 16), log=True)] = 8.0
    """Weight of the masked term (the paper's beta), >= 0; 8 on CIFAR-100."""
    warm_up: Epochs = 20.0
    """Epochs in which the teacher's terms grow from 0 to their weight; 20 on CIFAR-100, 0: none."""

    def losses(self, student, teacher, context, adapters):
        loss = rld_loss(
            student.logits,
            teacher.logits,
            context.labels,
            self.confidence_weight,
            self.masked_weight,
            self.confidence_temperature,
            self.temperature,
        )
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": ramp(context.epoch, self.warm_up) * loss,
        }
