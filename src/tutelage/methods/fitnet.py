"""FitNets: a hint from the teacher's middle, through a regressor.

Source: Romero et al. 2015, arXiv:1412.6550, section 2.2 (hint loss, convolutional regressor).
Departures: one stage of training, hint and labels together, as in the published benchmarks; mean squared difference
over all entries instead of half the sum. Maps that differ by more than a factor of 2 are averaged to the smaller size,
where the paper's valid convolution would have a kernel of half the image.
Defaults: mdistiller's (mdistiller/engine/cfg.py), which has no others: ResNet-32x4 to 8x4 on CIFAR-100 in its
configs.
When: a classic to compare with; the weight is sensitive. The hint is the middle pair of stages.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy
from tutelage.methods._pairs import pair_stages, same_size
from tutelage.methods.adapters import StagePairs
from tutelage.methods.base import Adapted, Claims, Range, Weight

Shape = tuple[int, int, int]


class HintRegressor(nn.Module):
    """From the student's map to the teacher's shape: stride 2, its transpose, or a valid convolution; batch norm."""

    def __init__(self, student: Shape, teacher: Shape, *, rectify: bool):
        super().__init__()
        (inputs, *size), (outputs, *target) = student, teacher
        if size == [2 * side for side in target]:
            convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        elif target == [2 * side for side in size]:
            convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        elif all(side <= s < 2 * side for s, side in zip(size, target)):
            kernel = (1 + size[0] - target[0], 1 + size[1] - target[1])
            convolution = nn.Conv2d(inputs, outputs, kernel, bias=False)
        else:
            convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU()] if rectify else []))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D _ _"]:
        return self.layers(x)


@dataclass(frozen=True)
class FitNet(Adapted):
    """label_weight CE + teacher_weight sum over pairs of mean (R(f) - f')^2.

    f and f' the maps of student and teacher, R a convolution to the teacher's shape, batch norm and ReLU.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(why="the regressor is random", batch_norm="the regressor")

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(10, 1000), log=True)] = 100.0
    """Weight of the hint, >= 0; published for CIFAR-100: 100."""
    rectify: bool = True
    """ReLU behind the regressor, as published; off for a teacher whose stages have negative responses."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position; empty: the middle pair of those of equal resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = adapters(student.features, teacher.features)
        hints = [F.mse_loss(*same_size(regressor(f_s), f_t)) for regressor, (f_s, f_t) in zip(adapters.parts, maps)]
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * sum(hints),
        }

    def parts(self, student, teacher, samples):
        pairs = pair_stages(student, teacher, self.pairs)
        pairs = pairs if self.pairs else (pairs[len(pairs) // 2],)
        shapes = [(student.features[i], teacher.features[j]) for i, j in pairs]
        return StagePairs(pairs, (HintRegressor(s, t, rectify=self.rectify) for s, t in shapes))
