"""Scale-decoupled distillation: the teacher is also asked about quarters and sixteenths of the image.

Source: Wei, Luo & Luo 2024, arXiv:2403.13512, sections 3.2 and 3.3 (SD-KD, SD-DKD and SD-NKD, M = {1, 2, 4}).
Departures: nkd leaves the true class out of the others, as its paper does; the authors' code keeps it (a mask of ones),
    and their numbers stand on that.
Defaults: SD-KD's on CIFAR-100 (mdistiller/engine/cfg.py of the authors' code: kd's own weights). SD-DKD is
    `--method.kind dkd --method.label_weight 1 --method.teacher_weight 1 --method.warm_up 20`. SD-NKD with NKD's own
    numbers is `--method.kind nkd --method.temperature 1 --method.label_weight 1 --method.teacher_weight 1`; the
    authors' code runs it with SD-DKD's (T = 4, gamma = 8, warm-up 20).
When: an image shows more than one thing. Cached logits of 16 parts are read: 17 times the disk of kd's.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage.methods._common import at_least_three_classes, kl, label_cross_entropy, others, ramp, versus_rest, widened
from tutelage.methods._regions import pyramid, require_regions
from tutelage.methods.base import MEAN, Adapted, Claims, Epochs, Range, Temperature, Weight


def complementary(teacher: Float[Tensor, "B 21 C"], labels: Int64[Tensor, " B"]) -> Float[Tensor, "B 21"]:
    """1 where the teacher is right about the whole image and wrong about the part, or the other way round; else 0."""
    right = teacher.argmax(dim=2) == labels[:, None]
    return (right != right[:, :1]).to(teacher.dtype)


def _log_softmax(logits: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
    return F.log_softmax(logits, dim=1)


def part_losses(
    student_logits: Float[Tensor, "N C"],
    teacher_logits: Float[Tensor, "N C"],
    labels: Int64[Tensor, " N"],
    method: "SDD",
) -> Float[Tensor, " N"]:
    """The loss of `method.kind` for every part, in nats.

    Raises:
        UserError: fewer than three classes, for dkd and nkd.
    """
    z_s, z_t, t = student_logits, teacher_logits, method.temperature
    if method.kind == "kd":
        return t**2 * kl(_log_softmax(z_t / t), _log_softmax(z_s / t))
    at_least_three_classes(z_s, f"sdd with {method.kind}")
    log_o_t, log_o_s = (_log_softmax(others(z, labels) / t) for z in (z_t, z_s))
    if method.kind == "dkd":
        log_b_t, log_b_s = (_log_softmax(versus_rest(z / t, labels)) for z in (z_t, z_s))
        return t**2 * (kl(log_b_t, log_b_s) + method.others_weight * kl(log_o_t, log_o_s))
    log_p_t, log_p_s = (_log_softmax(z).gather(1, labels[:, None])[:, 0] for z in (z_t, z_s))
    return -log_p_t.exp() * log_p_s - method.gamma * t**2 * (log_o_t.exp() * log_o_s).sum(dim=1)


@dataclass(frozen=True)
class SDD(Adapted):
    """label_weight CE + min(epoch / warm_up, 1) teacher_weight mean_br w_br l(z_s, z_t).

    Over images b and parts r: the whole, 4 quarters, 16 sixteenths, z the logits of a part. w is complementary_weight
    where the teacher is right about one of whole and part and wrong about the other, else 1. l is the loss of `kind`:
    kd: T^2 KL at T; dkd: T^2 (KL of (p_y, 1 - p_y) + others_weight KL of the other classes) at T; nkd: gamma T^2 CE of
    the other classes at T, minus p_t[y] log p_s[y].
    """

    needs: ClassVar[frozenset[str]] = frozenset({"regions"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "regions"})
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(why="the terms of kind = nkd are cross-entropies", duplicates=MEAN)

    kind: Literal["kd", "dkd", "nkd"] = "kd"
    """The loss of every part."""
    temperature: Temperature = 4.0
    """T > 0; published: 4, NKD itself has 1."""
    label_weight: Weight = 0.1
    """Weight of the labels, >= 0; published: 0.1 with kd, 1 with dkd and nkd."""
    teacher_weight: Weight = 0.9
    """Weight of the teacher's term, >= 0; published: 0.9 with kd, 1 with dkd and nkd."""
    complementary_weight: Annotated[float, Range(0)] = 2.0
    """Weight of parts about which the teacher is right where it is wrong about the whole, or vice versa, >= 0; 2."""
    others_weight: Annotated[float, Range(0)] = 8.0
    """dkd: weight of the other classes, >= 0; published: 8 for most pairs."""
    gamma: Annotated[float, Range(0)] = 1.5
    """nkd: weight of the other classes, >= 0; 1.5 in NKD, 8 in the authors' code."""
    warm_up: Epochs = 0.0
    """Epochs in which the teacher's term grows from 0 to its weight; published: 20 with dkd, else none."""

    def losses(self, student, teacher, context, adapters):
        z_s, z_t = pyramid(widened(student.regions)), pyramid(widened(teacher.regions.detach()))
        weights = 1 + (self.complementary_weight - 1) * complementary(z_t, context.labels)
        labels = context.labels.repeat_interleave(z_s.shape[1])
        each = part_losses(z_s.flatten(0, 1), z_t.flatten(0, 1), labels, self)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": ramp(context.epoch, self.warm_up) * self.teacher_weight * (weights.flatten() * each).mean(),
        }

    def parts(self, student, teacher, samples):
        require_regions(student, teacher)
        return nn.Identity()
