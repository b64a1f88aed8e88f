"""LumiNet: kd on logits that are standardised per class over the batch.

Source: Hossain et al. 2023, arXiv:2310.03669, "perception"; settings of the authors' CIFAR-100 code.
Departures: one weight, where the authors' code multiplies by the square of its alpha (31, so 961).
Defaults: what mdistiller/engine/cfg.py of the authors' code falls back to, and none of their pairs has. Those on
    CIFAR-100 (configs/cifar100/luminet), as T, label_weight and teacher_weight: ResNet-32x4 to 8x4 4, 2, 1089;
    WRN-40-2 to ShuffleNetV1 4, 1, 1225; WRN-40-2 to 40-1 8, 1, 5625; VGG-13 to VGG-8 8, 1, 4900; VGG-13 and ResNet-50
    to MobileNetV2 8, 2, 4900. On ImageNet 0.7, 1, 4 and warm_up = 1 (configs/imagenet).
When: the teacher favours some classes: what counts here is which images of a batch look most like a class. The value
    depends on which samples share a batch.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, ramp, softened_kl, widened
from tutelage.methods.base import VALUE_AND_GRADIENT, Claims, Epochs, Method, Range, Temperature, Weight


def perception(logits: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
    """Each class's logits minus their mean over the batch, divided by their standard deviation (biased, eps 1e-5)."""
    centred = widened(logits) - widened(logits).mean(dim=0, keepdim=True)
    return centred / (centred.square().mean(dim=0, keepdim=True) + 1e-5).sqrt()


def luminet_loss(
    student_logits: Float[Tensor, "B C"], teacher_logits: Float[Tensor, "B C"], temperature: float = 4.0
) -> Float[Tensor, ""]:
    """KL(teacher || student) of softmax(perception / T), in nats, mean over the batch: no factor T^2.

    Half-precision logits are computed and answered in float32; the teacher gets no gradient.
    """
    return softened_kl(perception(student_logits) / temperature, perception(teacher_logits) / temperature)


@dataclass(frozen=True)
class LumiNet(Method):
    """label_weight CE(labels, student) + min(epoch / warm_up, 1) teacher_weight KL(h_t / T || h_s / T).

    h = (z - mean over the batch) / standard deviation over the batch, class by class.
    """

    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a KL divergence",
        duplicates="the batch's mean and biased variance stay",
        couples_batch="a class is standardised over the batch",
    )
    temperature: Temperature = 4.0
    """T > 0, divides the standardised logits; 4 on CIFAR-100."""
    label_weight: Weight = 2.0
    """Weight of the labels' term, >= 0; 2 on CIFAR-100."""
    teacher_weight: Annotated[float, Range(0, search=(30, 3000), log=True)] = 961.0
    """Weight of the teacher's term, >= 0; 31^2 on CIFAR-100: at T = 4 it corresponds to 60 T^2."""
    warm_up: Epochs = 20.0
    """Epochs in which the teacher's term grows from 0 to its weight; 20 on CIFAR-100, 0: none."""

    def losses(self, student, teacher, context, adapters):
        loss = luminet_loss(student.logits, teacher.logits, self.temperature)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": ramp(context.epoch, self.warm_up) * self.teacher_weight * loss,
        }
