"""Self-supervision: the student learns what the teacher says of rotated images, and which image it takes them for.

Source: Xu, Liu, Li & Loy 2020, arXiv:2006.07114, section 3, and the authors' code.
Departures: the authors train the teacher's head g for 60 epochs before the student. Here g learns beside the student,
    from cached embeddings, by a term of its own that passes no gradient to the student; the term that is taught from g
    grows meanwhile (`warm_up`). Where more rows are wrong by equally much than are kept, each counts in part; the
    authors' sort keeps any of them. All four rotations show one crop; theirs are cropped one by one.
Defaults: all pairs on CIFAR-100: student.py of the authors' code (xuguodong03/SSKD); command.sh changes the learning
    rate alone. `warm_up` is ours.
When: a rotated image keeps its class (a rotated 6 is a 9). A step costs four passes of the student, an answer four of
    the teacher and 4 (C + D) numbers on disk, C classes, D the length of its embedding. The published gains are largest
    where teacher and student are unlike networks.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage.methods._common import kl, label_cross_entropy, ramp, softened_kl, widened
from tutelage.methods._relations import unit
from tutelage.methods.adapters import embedding_widths
from tutelage.methods.base import Adapted, Claims, Epochs, Range, Share, Temperature, Weight


def similarities(plain: Float[Tensor, "B D"], rotated: Float[Tensor, "B 3 D"], views: int) -> Float[Tensor, "R V"]:
    """Cosines of every rotated image with every plain one of the same view.

    Args:
        plain: Embeddings, of all first views, then of all second ones.
        rotated: The same of each image's rotations.
        views: Views of each image in the batch.

    Returns:
        R = 3 B rows in order, V = B / views columns.
    """
    of_views = zip(unit(rotated).chunk(views), unit(plain).chunk(views))
    return torch.cat([each.flatten(0, 1) @ all_of_view.T for each, all_of_view in of_views])


def kept(rank: Float[Tensor, " R"], share: float) -> Float[Tensor, " R"]:
    """1 for the rows that are right (rank 0) and for a share of the wrong ones, rounded down: the least wrong; else 0.

    Where more rows of one rank would be the last ones than there is room for, they share it.
    """
    wrong = (rank > 0).to(rank.dtype)
    room = (1 - wrong).sum() + (wrong.sum() * share).floor()
    before, alike = (rank < rank[:, None]).sum(dim=1), (rank == rank[:, None]).sum(dim=1)
    return ((room - before) / alike).clamp(0, 1)


def transfer(
    student: Float[Tensor, "R C"], teacher: Float[Tensor, "R C"], true: Int64[Tensor, " R"], share: float, heat: float
) -> Float[Tensor, ""]:
    """T^2 KL(teacher_T || student_T) in nats, mean over the rows in which the teacher is right or little wrong.

    Args:
        student: Scores of C classes or images.
        teacher: The same; no gradient.
        true: The right one of each row. Its rank says how wrong the teacher is: how many it puts above it.
        share: Of the wrong rows that are kept.
        heat: T.
    """
    student, teacher = widened(student), widened(teacher.detach())
    each = kl(F.log_softmax(teacher / heat, dim=1), F.log_softmax(student / heat, dim=1))
    rank = (teacher > teacher.gather(1, true[:, None])).sum(dim=1)
    weights = kept(rank.to(each.dtype), share)
    return heat**2 * (weights * each).sum() / weights.sum().clamp_min(1)


class Heads(nn.Module):
    """Two linear layers with a ReLU between them behind each network's embedding, of its width."""

    def __init__(self, student: int, teacher: int):
        super().__init__()
        self.student, self.teacher = (
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for width in (student, teacher)
        )


@dataclass(frozen=True)
class SSKD(Adapted):
    """label_weight CE + teacher_weight KL(x) + rotations_weight KL(r x) + w similarity_weight KL(s) + CE(s_t).

    KL: T^2 KL(teacher_T || student_T), at a T each: of the logits of images x; of their rotations r x by 90, 180 and
    270 degrees; of s, the cosines of a rotated image's g(h) with those of all images of the batch, its own among them.
    h: embedding, g: two layers, one g a network. Of r x and s count all rows in which the teacher is right, and
    a share of the others: where it puts the right class, or image, highest. w = min(epoch / warm_up, 1); CE(s_t), by
    which image is the own one, trains the teacher's g alone.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding", "rotations"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding", "rotations"})
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="the layers behind the embeddings are random",
        couples_batch="a rotated image is told from the others of the batch",
    )

    label_weight: Weight = 0.1
    """Weight of the labels, >= 0; published: 0.1."""
    teacher_weight: Weight = 0.9
    """Weight of the logits, >= 0; published: 0.9."""
    rotations_weight: Annotated[float, Range(0, search=(0.27, 27), log=True)] = 2.7
    """Weight of the rotated images' logits, >= 0; published: 2.7."""
    similarity_weight: Annotated[float, Range(0, search=(1, 100), log=True)] = 10.0
    """Weight of the similarities, >= 0; published: 10."""
    temperature: Temperature = 4.0
    """T > 0 of the logits; published: 4."""
    rotations_temperature: Temperature = 4.0
    """T > 0 of the rotated images' logits; published: 4."""
    similarity_temperature: Annotated[float, Range(0, open=True, search=(0.05, 5), log=True)] = 0.5
    """T > 0 of the similarities, which are in [-1, 1]; published: 0.5."""
    rotations_kept: Share = 1.0
    """Share of the rotated images about which the teacher is wrong that are taught, in [0, 1]; published: 1."""
    similarity_kept: Share = 0.75
    """Share of the rotated images that the teacher takes for another's that are taught, in [0, 1]; published: 0.75."""
    warm_up: Epochs = 5.0
    """Epochs in which the similarities' term grows from 0 to its weight while the teacher's head learns."""

    def losses(self, student, teacher, context, adapters):
        ours, theirs = (
            similarities(head(widened(outputs.embedding)), head(widened(outputs.rotations.embedding)), context.views)
            for head, outputs in ((adapters.student, student), (adapters.teacher, teacher.mapped(Tensor.detach)))
        )
        image = torch.arange(theirs.shape[1], device=theirs.device).repeat_interleave(3).repeat(context.views)
        labels = context.labels.repeat_interleave(3)
        z_s, z_t = (outputs.rotations.logits.flatten(0, 1) for outputs in (student, teacher))
        similar = transfer(ours, theirs, image, self.similarity_kept, self.similarity_temperature)
        rotated = transfer(z_s, z_t, labels, self.rotations_kept, self.rotations_temperature)
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * softened_kl(student.logits, teacher.logits, self.temperature),
            "rotations": self.rotations_weight * rotated,
            "similarity": ramp(context.epoch, self.warm_up) * self.similarity_weight * similar,
            "head": F.cross_entropy(theirs, image),
        }

    def parts(self, student, teacher, samples):
        return Heads(*embedding_widths(student, teacher))
