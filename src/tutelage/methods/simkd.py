"""The reused classifier: the student learns the teacher's embedding and keeps the teacher's last layer.

Source: Chen, Mei, Zhang, Wang, Feng & Chen 2022, arXiv:2203.14001, section 3 (reused classifier, bottleneck projector).
Departures: the loss compares embeddings (maps after pooling) where the paper compares maps: so a cache serves it.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100, the example of the authors' code (scripts/run_distill.sh).
When: accuracy matters more than the last kilobytes: the projector and the teacher's last layer stay in the student, are
counted and exported, and the student's own last layer is not used.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.errors import UserError
from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods.adapters import FrozenHead, conv_bn, embedding_widths
from tutelage.methods.base import Claims, Extended, Range, Weight
from tutelage.outputs import Outputs, Sizes


class Projector(nn.Module):
    """1x1, 3x3 and 1x1 convolutions from the student's last map to the teacher's width, pooled; the teacher's head."""

    def __init__(self, student: Sizes, teacher: Sizes, factor: int, *, rectify: bool):
        super().__init__()
        if not student.features:
            raise UserError(
                "simkd projects the student's last feature map, and this student has no stages",
                "name them: --student.stages layer1,layer2,layer3",
            )
        inputs, outputs = student.features[-1][0], embedding_widths(student, teacher)[1]
        middle = max(outputs // factor, 1)
        self.projection = nn.Sequential(
            conv_bn(inputs, middle, relu=True),
            conv_bn(middle, middle, 3, relu=True),
            conv_bn(middle, outputs, relu=rectify),
        )
        self.head = FrozenHead(teacher)

    def forward(self, last: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.projection(last).mean((2, 3))


class ReusedClassifier(nn.Module):
    """The deployed student: backbone, projector, the teacher's last layer. Shares every part: nothing is copied.

    Args:
        student: forward(pixels, want) gives `Outputs`; `mean` and `std` of its pixels.
        projector: As trained.
    """

    def __init__(self, student: Any, projector: Projector):
        super().__init__()
        self.student = student
        self.mean, self.std = student.mean, student.std
        self.projection = projector.projection
        weight, bias = projector.head.get_buffer("weight"), projector.head.get_buffer("bias")
        self.head = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
        # Parameters, so that whoever counts the deployed network's parameters counts these.
        self.head.weight = nn.Parameter(weight, requires_grad=False)
        self.head.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, pixels: Float[Tensor, "B C H W"], want: frozenset[str] = frozenset({"logits"})) -> Outputs:
        """`Outputs` of the reused head: the embedding is the projected one; the features are the student's own."""
        features = self.student(pixels, frozenset({"features"})).features
        embedding = self.projection(features[-1]).mean((2, 3))
        return Outputs(
            self.head(embedding),
            embedding if "embedding" in want else None,
            features if "features" in want else (),
        )


@dataclass(frozen=True)
class SimKD(Extended):
    """teacher_weight mean (pool(P(f)) - h')^2 + label_weight CE of the student's own, unused, classifier.

    f the student's last feature map, P the projector, h' the teacher's embedding; mean over the batch and the entries.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding", "head"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "features"})
    claims: ClassVar[Claims] = Claims(why="the projection is random", batch_norm="the projector")

    teacher_weight: Weight = 1.0
    """Weight of the embeddings, >= 0; published: 1."""
    label_weight: Annotated[float, Range(0)] = 0.0
    """Weight of the labels on the student's own classifier, >= 0; published: 0."""
    factor: Annotated[int, Range(1, 64)] = 2
    """The projector's bottleneck is the teacher's width divided by this, in [1, 64]; published: 2."""
    rectify: bool = True
    """ReLU behind the projector, as published; off for a teacher whose embedding has negative entries."""

    def losses(self, student, teacher, context, adapters):
        projected = adapters(widened(student.features[-1]))
        return {
            "teacher": self.teacher_weight * F.mse_loss(projected, widened(teacher.embedding.detach())),
            # At weight 0 too: every parameter of the student then has a gradient, as DDP expects.
            "label": self.label_weight * label_cross_entropy(student.logits, context),
        }

    def parts(self, student, teacher, samples):
        return Projector(student, teacher, self.factor, rectify=self.rectify)

    def extended(self, student, adapters):
        return ReusedClassifier(student, adapters)
