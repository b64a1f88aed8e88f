"""Attention transfer: look where the teacher looks.

Source: Zagoruyko & Komodakis 2017, arXiv:1612.03928, section 3.1 (activation-based attention, eq. 2).
Departures: as in the authors' code and the published benchmarks, the mean squared difference of the normalised maps
where the paper has half the norm of the difference: the weight 1000 belongs to the mean. Maps of unlike size: the
larger is averaged to the smaller.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: feature maps are to be had and no trainable part is wanted; it does little where the architectures differ much.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._pairs import pair_stages, same_size
from tutelage.methods._relations import unit
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Adapted, Claims, Range, Weight


def at_loss(
    student: Float[Tensor, "B C _ _"], teacher: Float[Tensor, "B D _ _"], power: float = 2.0
) -> Float[Tensor, ""]:
    """Mean over batch and positions of (Q - Q')^2; Q = unit vector of mean_c |f_c|^power over the positions.

    Args:
        student: One stage's map; maps of unlike size are averaged to the smaller.
        teacher: Any number of channels.
        power: >= 1; larger looks at the strongest channels alone.
    """
    student, teacher = same_size(widened(student), widened(teacher.detach()))
    return F.mse_loss(_attention(student, power), _attention(teacher, power))


def _attention(x: Float[Tensor, "B C H W"], power: float) -> Float[Tensor, "B H*W"]:
    return unit(x.abs().pow(power).mean(dim=1).flatten(1))


@dataclass(frozen=True)
class AT(Adapted):
    """label_weight CE + teacher_weight sum over pairs of mean (Q - Q')^2.

    Q = unit(mean over channels of |f|^power), a vector over the positions; f the student's map, ' the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="a squared difference of attention maps", duplicates=MEAN
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(100, 1e4), log=True)] = 1000.0
    """Weight of the attention, >= 0; published for CIFAR-100: 1000."""
    power: Annotated[float, Range(1, 8, search=(1, 4))] = 2.0
    """Power of the responses, in [1, 8]; published: 2."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(at_loss(f_s, f_t, self.power) for f_s, f_t in maps),
        }

    def parts(self, student, teacher, samples):
        return StagePairs(pair_stages(student, teacher, self.pairs))
