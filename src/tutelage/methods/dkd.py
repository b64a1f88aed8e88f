"""Decoupled distillation: how sure of the true class, and what of the others, each with a weight of its own.

Source: Zhao et al. 2022, arXiv:2203.08679, eq. 7; `standardize`: Sun et al. 2024, arXiv:2403.01427,
    algorithm 1.
Departures: from log-sum-exp throughout (the authors' logarithm of a sum of probabilities is -inf for a sure student);
    two classes are refused, because nothing is left beside the true one.
Defaults: ResNet-32x4 to 8x4, to ShuffleNetV1 and V2, ResNet-50 to MobileNetV2 and WRN-40-2 to ShuffleNetV1 on
    CIFAR-100 (mdistiller, mdistiller/engine/cfg.py). others_weight is 6 for VGG-13 to VGG-8 and MobileNetV2 and for
    WRN-40-2 to 16-2 and 40-1, 2 for ResNet-56 to 20 and 110 to 32 (configs/cifar100/dkd); on ImageNet 0.5 for
    ResNet-34 to 18 and 2 for ResNet-50 to MobileNetV1, T = 1, warm_up = 1 (configs/imagenet). Standardised logits,
    both weights times 9, ResNet-32x4 to 8x4 (README and tools/train.py of the authors of `standardize`):
    `--method.standardize True --method.temperature 2 --method.target_weight 9 --method.others_weight 72`.
When: the teacher is sure of itself: kd then all but ignores the other classes, whose weight here is free.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.methods._common import (
    at_least_three_classes,
    label_cross_entropy,
    others,
    ramp,
    softened_kl,
    standardized,
    versus_rest,
    widened,
)
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Claims, Epochs, Method, Range, Temperature, Weight


def dkd_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    labels: Int64[Tensor, " B"],
    target_weight: float = 1.0,
    others_weight: float = 8.0,
    temperature: float = 4.0,
) -> Float[Tensor, ""]:
    """T^2 (target_weight KL(b_t || b_s) + others_weight KL(o_t || o_s)), in nats, mean over the batch.

    b = (p_y, 1 - p_y) is the true class against the rest, o the distribution over the other classes alone, both of
    logits / T. With others_weight = 1 - p_y of the teacher, for each sample, this is kd. Half-precision logits are
    computed and answered in float32; the teacher gets no gradient.

    Args:
        student_logits: Before softmax.
        teacher_logits: Before softmax.
        labels: True classes.
        target_weight: The paper's alpha.
        others_weight: The paper's beta.
        temperature: T > 0.

    Raises:
        UserError: fewer than three classes.
    """
    at_least_three_classes(student_logits, "dkd")
    z_s, z_t = widened(student_logits) / temperature, widened(teacher_logits) / temperature
    target = softened_kl(versus_rest(z_s, labels), versus_rest(z_t, labels))
    rest = softened_kl(others(z_s, labels), others(z_t, labels))
    return temperature**2 * (target_weight * target + others_weight * rest)


@dataclass(frozen=True)
class DKD(Method):
    """label_weight CE(labels, student) + min(epoch / warm_up, 1) T^2 (target_weight TCKD + others_weight NCKD).

    TCKD = KL of (p_y, 1 - p_y), NCKD = KL of the distributions over the other classes, teacher to student, both at T.
    """

    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="two KL divergences", duplicates=MEAN, three_classes=True
    )

    temperature: Temperature = 4.0
    """T > 0, divides both logits; 4 on CIFAR-100, 1 on ImageNet."""
    label_weight: Weight = 1.0
    """Weight of the labels' term, >= 0; 1 in the paper."""
    target_weight: Weight = 1.0
    """Weight of the true class's term (the paper's alpha), >= 0; 1 on CIFAR-100."""
    others_weight: Annotated[float, Range(0, search=(0.5, 16), log=True)] = 8.0
    """Weight of the other classes' term (the paper's beta), >= 0; 8 by default on CIFAR-100, 2 to 8 by the pair."""
    warm_up: Epochs = 20.0
    """Epochs in which the teacher's terms grow from 0 to their weight; 20 on CIFAR-100, 1 on ImageNet, 0: none."""
    standardize: bool = False
    """Standardise both logits per sample before softening."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits
        if self.standardize:
            z_s, z_t = standardized(z_s), standardized(z_t)
        loss = dkd_loss(z_s, z_t, context.labels, self.target_weight, self.others_weight, self.temperature)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": ramp(context.epoch, self.warm_up) * loss,
        }
