"""Neuron selectivity transfer: the student's channels are distributed like the teacher's.

Source: Huang & Wang 2017, arXiv:1707.01219, section 4 (maximum mean discrepancy, polynomial kernel of degree 2).
Departures: maps of unlike size: the larger is averaged to the smaller.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: the numbers of channels differ and no trainable part is wanted. Memory O(B (C^2 + D^2 + C H W)).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._pairs import pair_stages, same_size
from tutelage.methods._relations import unit
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Adapted, Claims, Range, Weight


def nst_loss(student: Float[Tensor, "B C _ _"], teacher: Float[Tensor, "B D _ _"]) -> Float[Tensor, ""]:
    """Squared maximum mean discrepancy between the channels of one image, mean over the batch; kernel (x . y)^2.

    A channel is its responses over the positions, scaled to length 1. Memory O(B (C^2 + C D + D^2)).

    Args:
        student: One stage's map; maps of unlike size are averaged to the smaller.
        teacher: Any number of channels.
    """
    student, teacher = same_size(widened(student), widened(teacher.detach()))
    s, t = unit(student.flatten(2)), unit(teacher.flatten(2))
    return _kernel(t, t) + _kernel(s, s) - 2 * _kernel(s, t)


def _kernel(x: Float[Tensor, "B C HW"], y: Float[Tensor, "B D HW"]) -> Float[Tensor, ""]:
    return (x @ y.transpose(1, 2)).square().mean()


@dataclass(frozen=True)
class NST(Adapted):
    """label_weight CE + teacher_weight sum over pairs of mean k(f', f') + mean k(f, f) - 2 mean k(f, f').

    k(x, y) = (x . y / |x| |y|)^2 of two channels' responses over the positions; f the student's, f' the teacher's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT, why="a discrepancy of equal distributions", duplicates=MEAN
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(5, 500), log=True)] = 50.0
    """Weight of the discrepancy, >= 0; published for CIFAR-100: 50."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(nst_loss(f_s, f_t) for f_s, f_t in maps),
        }

    def parts(self, student, teacher, samples):
        return StagePairs(pair_stages(student, teacher, self.pairs))
