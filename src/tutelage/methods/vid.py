"""Variational information distillation: the teacher's map is likely, given the student's.

Source: Ahn, Hu, Damianou, Lawrence & Dai 2019, arXiv:1904.05835, section 2 (a Gaussian, one variance a channel).
Departures: maps of unlike size: the larger is averaged to the smaller. The variances are trained with the regressors: a
widely used implementation keeps them in a list that no optimiser sees.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: feature maps of unlike widths; the method finds out itself which channels can be had.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._pairs import pair_stages, same_size
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import Adapted, Claims, Range, Weight

_EPSILON = 1e-5


def vid_loss(
    mean: Float[Tensor, "B C H W"], variance: Float[Tensor, " C"], teacher: Float[Tensor, "B C H W"]
) -> Float[Tensor, ""]:
    """-log likelihood of the teacher's map in nats without log(2 pi) / 2, mean over all entries.

    Args:
        mean: What the student's map predicts.
        variance: One for every channel, > 0.
        teacher: What is there.
    """
    spread = variance.view(-1, 1, 1)
    return ((mean - teacher.detach()).square() / spread + spread.log()).mean() / 2


class Gaussian(nn.Module):
    """Mean of the teacher's map by three 1x1 convolutions; variance of each channel softplus(scale) + 1e-5."""

    def __init__(self, inputs: int, outputs: int, variance: float):
        super().__init__()
        self.mean = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
        )
        self.scale = nn.Parameter(torch.full((outputs,), math.log(math.expm1(variance - _EPSILON))))

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B D H W"], Float[Tensor, " D"]]:
        return self.mean(x), F.softplus(self.scale) + _EPSILON


@dataclass(frozen=True)
class VID(Adapted):
    """label_weight CE + teacher_weight sum over pairs of mean ((m(f) - f')^2 / v + log v) / 2.

    f and f' the maps of student and teacher, m three 1x1 convolutions, v a trained variance for every channel of f'.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(why="the regressor is random")

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Weight = 1.0
    """Weight of the likelihood, >= 0; published for CIFAR-100: 1."""
    variance: Annotated[float, Range(1e-3, 100)] = 5.0
    """Variance at the start, in [0.001, 100]; published: 5."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        terms = []
        for gaussian, maps in zip(adapters.parts, adapters(student.features, teacher.features)):
            f_s, f_t = same_size(*maps)
            terms.append(vid_loss(*gaussian(f_s), f_t))
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(terms),
        }

    def parts(self, student, teacher, samples):
        pairs = pair_stages(student, teacher, self.pairs)
        channels = [(student.features[i][0], teacher.features[j][0]) for i, j in pairs]
        return StagePairs(pairs, (Gaussian(s, t, self.variance) for s, t in channels))
