"""Entropy-weighted distillation: samples of which the teacher is unsure, and the student still is, count more.

Source: Su, Tseng, Pu, Zhao, Yang, Chen & Lee 2025, arXiv:2311.13621, section 3 (the weight on the loss of kd).
Departures: none from the paper. The authors' code (mdistiller/distillers/KD.py) divides the student's entropy by 100 on
    CIFAR-100 where the paper says log 100 = 4.6: its published numbers stand on weights that are the teacher's entropy
    almost alone. `--method.student_weight 0.046` is that code.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100 (configs/cifar100/EA/kd.yaml and mdistiller/engine/cfg.py of the authors'
    code); on ImageNet entropy_temperature 2.
When: the teacher is sure of most images: kd then learns the few others last. Nothing but cached logits is needed. The
    mean weight is not 1: with few classes, or a sure teacher, the teacher's term is smaller than kd's.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import kl, label_cross_entropy, widened
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Claims, Method, Range, Share, Temperature, Weight


def entropy(logits: Float[Tensor, "B C"], temperature: float = 1.0) -> Float[Tensor, " B"]:
    """Of softmax(logits / temperature), in nats, in [0, log C]."""
    log_p = torch.log_softmax(widened(logits) / temperature, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


def ea_weights(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    temperature: float = 3.0,
    student_weight: float = 1.0,
) -> Float[Tensor, " B"]:
    """H_t (1 + student_weight H_s / log C) / 2, H the entropies at `temperature`; in [0, log C], without gradient."""
    h_s, h_t = (entropy(logits.detach(), temperature) for logits in (student_logits, teacher_logits))
    return h_t * (1 + student_weight * h_s / math.log(student_logits.shape[1])) / 2


@dataclass(frozen=True)
class EAKD(Method):
    """(1 - alpha) CE(labels, student) + alpha mean_b w_b T^2 KL(teacher_T || student_T).

    w = H_t (1 + student_weight H_s / log C) / 2: the entropies of the teacher's and the student's softmax(z / T'), T' =
    entropy_temperature, in nats; held constant.
    """

    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="a KL divergence", duplicates=MEAN, stopped="the weights of the samples"
    )
    temperature: Temperature = 4.0
    """T > 0, divides both logits; larger is softer."""
    alpha: Share = 0.9
    """Share of the teacher's term, in [0, 1]."""
    entropy_temperature: Annotated[float, Range(0, open=True)] = 3.0
    """T' > 0, of the entropies alone; published: 3 on CIFAR-100, 2 on ImageNet."""
    student_weight: Weight = 1.0
    """How much the student's own doubt adds to a sample's weight, >= 0; the paper: 1."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = student.logits, teacher.logits.detach()
        log_p, log_q = (torch.log_softmax(widened(z) / self.temperature, dim=1) for z in (z_t, z_s))
        weights = ea_weights(z_s, z_t, self.entropy_temperature, self.student_weight)
        return {
            "label": (1 - self.alpha) * label_cross_entropy(z_s, context),
            "teacher": self.alpha * self.temperature**2 * (weights * kl(log_p, log_q)).mean(),
        }
