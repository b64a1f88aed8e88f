"""Knowledge review: the teacher's shallow stages teach the student's deeper ones.

Source: Chen, Liu, Zhao & Jia 2021, arXiv:2104.09044, section 3 (attention-based fusion, hierarchical context loss).
Departures: stages are tapped where they end; the published code taps the teacher in front of the last ReLU. Shapes,
which the published code wants typed in for every pair of networks, come from the networks.
Defaults: what mdistiller (mdistiller/engine/cfg.py) falls back to, the authors' for ResNet-110 to 32; ResNet-32x4 to
8x4 has teacher_weight 5 (its configs/cifar100/reviewkd.yaml).
When: the strongest of the feature methods here where stages match in resolution; the most trainable parts, too.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.methods._common import label_cross_entropy, ramp, widened
from tutelage.methods._pairs import Pair, ascending, pair_stages, shrink
from tutelage.methods.adapters import conv_bn, embedding_widths
from tutelage.methods.base import Adapted, Claims, Epochs, Range, Weight
from tutelage.outputs import Sizes

Size = tuple[int, int]


def hcl_loss(student: Float[Tensor, "B C H W"], teacher: Float[Tensor, "B C H W"]) -> Float[Tensor, ""]:
    """Hierarchical context loss: mean squared difference of the maps and of their averages on 4x4, 2x2 and 1x1 grids.

    Weights 1, 1/2, 1/4, 1/8 for the levels that are smaller than the map, divided by their sum.
    """
    student, teacher = widened(student), widened(teacher.detach())
    total, weight, weights = F.mse_loss(student, teacher), 1.0, 1.0
    for side in (4, 2, 1):
        if side < min(student.shape[2:]):
            weight /= 2
            weights += weight
            total = total + weight * F.mse_loss(shrink(student, side, side), shrink(teacher, side, side))
    return total / weights


class Fusion(nn.Module):
    """Attention-based fusion: a stage's map and what came down from the deeper stages, mixed position by position."""

    def __init__(self, inputs: int, middle: int, outputs: int, size: Size, target: Size, *, fuse: bool):
        super().__init__()
        self.size, self.target = size, target
        self.enter = conv_bn(inputs, middle)
        self.leave = conv_bn(middle, outputs, 3)
        self.attention = nn.Conv2d(2 * middle, 2, 1) if fuse else None
        for convolution in (self.enter[0], self.leave[0]):
            nn.init.kaiming_uniform_(convolution.get_parameter("weight"), a=1)

    def forward(self, x: Tensor, deeper: Tensor | None) -> tuple[Tensor, Tensor]:
        """(map in the teacher's shape, map for the next shallower stage)."""
        x = self.enter(x)
        if self.attention is not None and deeper is not None:
            deeper = F.interpolate(deeper, self.size, mode="nearest")
            shares = self.attention(torch.cat([x, deeper], dim=1)).sigmoid()
            x = x * shares[:, :1] + deeper * shares[:, 1:]
        if self.size != self.target:
            x = F.interpolate(x, self.target, mode="nearest")
        return self.leave(x), x


class Review(nn.Module):
    """One fusion a pair of stages, and one for the embeddings, which count as the deepest stage: a map of one pixel."""

    def __init__(self, student: Sizes, teacher: Sizes, pairs: tuple[Pair, ...], widest: int):
        super().__init__()
        self.pairs = pairs
        widths = embedding_widths(student, teacher)
        inputs = [student.features[i] for i, _ in pairs] + [(widths[0], 1, 1)]
        outputs = [teacher.features[j] for _, j in pairs] + [(widths[1], 1, 1)]
        middle = min(widest, widths[0])
        self.fusions = nn.ModuleList(
            Fusion(s[0], middle, t[0], s[1:], t[1:], fuse=level < len(pairs))
            for level, (s, t) in enumerate(zip(inputs, outputs))
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The student's maps, shallow to deep, in the teacher's shapes."""
        results, deeper = [], None
        for fusion, x in zip(reversed(self.fusions), reversed(maps)):
            result, deeper = fusion(widened(x), deeper)
            results.append(result)
        return results[::-1]


@dataclass(frozen=True)
class ReviewKD(Adapted):
    """label_weight CE + teacher_weight min(epoch / warm_up, 1) sum over stages of hcl(F_i(f_i, F_(i+1)), f'_i).

    hcl: see `hcl_loss`; F the fusion of a stage's map with those of all deeper stages; f the student's, f' the
    teacher's; the embedding counts as the deepest stage.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding", "features"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding", "features"})
    claims: ClassVar[Claims] = Claims(why="the fusion is random", batch_norm="the fusions")

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(0.3, 10), log=True)] = 1.0
    """Weight of the maps, >= 0; published: 1 (ResNet-110 to 32), 0.6 (56 to 20), 5 (32x4 to 8x4), 8 (ShuffleNet)."""
    warm_up: Epochs = 20.0
    """Epochs over which the weight grows from 0, >= 0; published: 20 of 240."""
    widest: Annotated[int, Range(1)] = 512
    """The fusions' width is the student's embedding's, at most this, >= 1; published: 512."""
    pairs: tuple[str, ...] = ()
    """"student stage:teacher stage" by path or position, shallow to deep; empty: all, by resolution."""

    def losses(self, student, teacher, context, adapters):
        maps = [student.features[i] for i, _ in adapters.pairs] + [student.embedding[:, :, None, None]]
        targets = [teacher.features[j] for _, j in adapters.pairs] + [teacher.embedding[:, :, None, None]]
        review = sum(hcl_loss(result, target) for result, target in zip(adapters(maps), targets))
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * ramp(context.epoch, self.warm_up) * review,
        }

    def parts(self, student, teacher, samples):
        pairs = ascending(student, teacher, pair_stages(student, teacher, self.pairs))
        return Review(student, teacher, pairs, self.widest)
