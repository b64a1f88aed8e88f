"""Flow of solution procedure: how one stage's channels follow from another's.

Source: Yim, Joo, Bae & Kim 2017, CVPR ("A gift from knowledge distillation"), section 3 (FSP matrix, L2 loss).
Departures: one stage of training, flow and labels together, where the paper initialises by the flow first; mean over
the entries, and the larger of two maps averaged to the smaller, as in the published benchmarks (RepDistiller), whose
weight therefore holds: the paper takes maxima, whose flow is larger (four times the loss on the digits, and NaN by step
10 at this weight); no matrix from the stem.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100 (RepDistiller, scripts/run_cifar_distill.sh), in its stage before the
labels.
When: student and teacher of one family and the same widths; others are refused. Memory O(B (C D + C H W)).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tutelage.errors import UserError
from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._pairs import ascending, pair_stages, same_size, stage
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import MEAN, VALUE_AND_GRADIENT, Adapted, Claims, Range, Weight


def fsp_matrix(lower: Float[Tensor, "B C _ _"], upper: Float[Tensor, "B D _ _"]) -> Float[Tensor, "B C D"]:
    """Mean over the positions of lower_c upper_d; the larger map is first averaged to the smaller."""
    lower, upper = (x.flatten(2) for x in same_size(widened(lower), widened(upper)))
    return lower @ upper.transpose(1, 2) / lower.shape[2]


def fsp_loss(
    student: tuple[Float[Tensor, "B C _ _"], Float[Tensor, "B D _ _"]],
    teacher: tuple[Float[Tensor, "B C _ _"], Float[Tensor, "B D _ _"]],
) -> Float[Tensor, ""]:
    """Mean squared difference of the two networks' FSP matrices.

    Args:
        student: Two neighbouring stages, the shallower first.
        teacher: Two stages with the same numbers of channels.
    """
    return F.mse_loss(fsp_matrix(*student), fsp_matrix(*teacher).detach())


@dataclass(frozen=True)
class FSP(Adapted):
    """label_weight CE + teacher_weight sum over neighbouring pairs of mean (G - G')^2.

    G_cd = mean over the positions of f_c g_d, f and g neighbouring stages of the student; G' the same of the teacher.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(
        zero=VALUE_AND_GRADIENT,
        why="a squared difference of Gram matrices",
        duplicates=MEAN,
        same_shapes="Gram matrices",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(5, 500), log=True)] = 50.0
    """Weight of the flow, >= 0; published for CIFAR-100, in the stage before the labels: 50."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position, shallow to deep; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        flows = [
            fsp_loss((lower_s, upper_s), (lower_t, upper_t))
            for (lower_s, lower_t), (upper_s, upper_t) in pairwise(maps)
        ]
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(flows),
        }

    def parts(self, student, teacher, samples):
        pairs = ascending(student, teacher, pair_stages(student, teacher, self.pairs))
        for i, j in pairs:
            if student.features[i][0] != teacher.features[j][0]:
                raise UserError(
                    "fsp needs equal numbers of channels, not "
                    f"student {stage(student, i)} and teacher {stage(teacher, j)}",
                    "choose a student as wide as its teacher, other method.pairs, or another method (at, nst, vid)",
                )
        if len(pairs) < 2:
            raise UserError(
                "fsp compares neighbouring stages, and there is only the pair of "
                f"student {stage(student, pairs[0][0])} and teacher {stage(teacher, pairs[0][1])}",
                "tap two or more stages of both networks",
            )
        return StagePairs(pairs)
