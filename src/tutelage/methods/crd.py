"""Contrastive representation distillation: tell the same image's two embeddings from those of other images.

Source: Tian, Krishnan & Isola 2020, arXiv:1910.10699, section 3.1 (objective) and 4.1 (memory, K negatives, momentum).
Departures: the loss is the paper's in logistic form, without the 1e-7 of the published code: it cannot overflow.
Negatives are drawn with replacement by address (sample, epoch); those of the anchor's class are left out and the others
weigh as much as K would. A label is known once its sample was seen: in the first epoch strangers count as negatives.
Defaults: ResNet-32x4 to 8x4 on CIFAR-100, the example of the authors' code (RepDistiller,
scripts/run_cifar_distill.sh and train_student.py).
When: the strongest of the classic methods that need no feature maps; it wants many epochs and large training splits.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from tutelage import rng
from tutelage.methods._common import label_cross_entropy, widened
from tutelage.methods._relations import unit
from tutelage.methods.adapters import embedding_widths
from tutelage.methods.base import Adapted, Claims, Range, Weight

_PURPOSE = 0x6372645F6E656773
"""Keeps these draws apart from whatever else is drawn by the numbers of a step and a sample."""


def nce_loss(
    positive: Float[Tensor, " B"],
    negative: Float[Tensor, "B K"],
    keep: Bool[Tensor, "B K"],
    offset: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """-log h(positive) - K mean log(1 - h(negative)) in nats, mean over the batch; h(s) = sigmoid(s - offset).

    With offset = log(K E exp(s)), h is the paper's e^s / (e^s + K / M), its partition estimated by the mean.

    Args:
        positive: Cosine / temperature of each anchor and its own image.
        negative: The same of each anchor and K other images.
        keep: False leaves a negative out; the mean is over the kept ones.
        offset: Where h is 1/2.
    """
    mask = keep.to(negative.dtype)
    others = (mask * F.logsigmoid(offset - negative)).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
    return -(F.logsigmoid(positive - offset) + negative.shape[1] * others).mean()


class Bank(nn.Module):
    """A unit vector for every sample of the training split, with the one it had before the current step.

    Reading is as of the step's beginning, however often the step is computed: a loss stays a function of its arguments.
    """

    rows: Tensor
    before: Tensor
    offset: Tensor

    def __init__(self, samples: int, width: int):
        super().__init__()
        bound = (3 / width) ** 0.5
        rows = torch.empty(samples, width).uniform_(-bound, bound)
        self.register_buffer("rows", rows)
        self.register_buffer("before", rows.clone())
        self.register_buffer("offset", torch.tensor(math.inf))

    def read(self, current: Bool[Tensor, " N"]) -> Float[Tensor, "N D"]:
        return torch.where(current[:, None], self.before, self.rows)

    def write(self, table: Float[Tensor, "N D"], sample: Int64[Tensor, " B"], value: Tensor, momentum: float) -> None:
        old = table[sample]
        self.before[sample] = old
        self.rows[sample] = unit(momentum * old + (1 - momentum) * value)


class Contrast(nn.Module):
    """Both embeddings in a common width, and the memory they are contrasted with.

    Buffers of 4 x samples x width numbers: 102 MB for 50,000 samples in float32. All are saved, so that a resumed run
    goes on bitwise; several processes each write what all of them saw, so that the copies stay equal.
    """

    labels: Tensor
    written: Tensor

    def __init__(self, student: int, teacher: int, samples: int, width: int):
        super().__init__()
        self.student = nn.Linear(student, width)
        self.teacher = nn.Linear(teacher, width)
        self.students = Bank(samples, width)
        self.teachers = Bank(samples, width)
        self.register_buffer("labels", torch.full((samples,), -1))
        # The step of a row's last writing: the bits of a float32 epoch, in integers that no `.half()` rounds.
        self.register_buffer("written", torch.full((samples,), -1))

    @torch.no_grad()
    def negatives(self, sample: Int64[Tensor, " B"], step: Int64[Tensor, ""], draws: int) -> Int64[Tensor, "B K"]:
        """Positions drawn uniformly from the training split: a pure function of sample and step."""
        keys = rng.mix(rng.mix(step ^ _PURPOSE) ^ sample)
        counter = torch.arange(draws, device=sample.device)
        return rng.below((keys[:, None] + counter).flatten(), len(self.labels)).view(len(sample), draws)


@dataclass(frozen=True)
class CRD(Adapted):
    """label_weight CE + teacher_weight (nce(s_i, T) + nce(t_i, S)), summed over both directions.

    nce: see `nce_loss`; s = P h and t = P' h' of length 1, P and P' linear; S and T hold every sample's s and t, each
    row <- unit(momentum row + (1 - momentum) new) when its sample is seen. Memory O(B (N + K)) for N samples.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    student_needs: ClassVar[frozenset[str]] = frozenset({"logits", "embedding"})
    mixable: ClassVar[bool] = False
    claims: ClassVar[Claims] = Claims(
        why="a contrastive bound: other samples are to be told apart",
        couples_batch="the memory takes up the batch, and its partition comes from it",
    )

    label_weight: Weight = 1.0
    """Weight of the labels, >= 0; published: 1."""
    teacher_weight: Annotated[float, Range(0, search=(0.08, 8), log=True)] = 0.8
    """Weight of the contrast, >= 0; published for CIFAR-100: 0.8; Knowledge-Distillation-Zoo for CIFAR-10: 0.2."""
    temperature: Annotated[float, Range(0, open=True, search=(0.02, 0.5), log=True)] = 0.07
    """Divides the cosines, > 0; published: 0.07."""
    negatives: Annotated[int, Range(1)] = 16384
    """Draws a sample and step, >= 1; published: 16384."""
    momentum: Annotated[float, Range(0, 1)] = 0.5
    """Share of the old row in the memory, in [0, 1]; published: 0.5."""
    width: Annotated[int, Range(1)] = 128
    """Length of the common embedding, >= 1; published: 128."""

    def losses(self, student, teacher, context, adapters):
        """As in the base class. Side effect: the memory takes up this batch, once a step however often it is called."""
        s = unit(adapters.student(widened(student.embedding)))
        t = unit(adapters.teacher(widened(teacher.embedding.detach())))
        sample = context.sample
        # float32, as under torch.compile, where the epoch is a tensor: the draws are the same with and without.
        step = torch.as_tensor(context.epoch, dtype=torch.float32, device=sample.device).view(torch.int32).long()
        with torch.no_grad():
            adapters.labels[sample] = context.labels
            drawn = adapters.negatives(sample, step, self.negatives)
            keep = adapters.labels[drawn] != context.labels[:, None]
            current = adapters.written == step
            pairs = [(s, t, adapters.teachers, adapters.students), (t, s, adapters.students, adapters.teachers)]
            tables = [bank.read(current) for _, _, bank, _ in pairs]
        contrast = s.new_zeros(())
        for (anchor, _, bank, _), table in zip(pairs, tables):
            scores = anchor @ table.T / self.temperature
            positive, negative = scores.gather(1, sample[:, None])[:, 0], scores.gather(1, drawn)
            contrast = contrast + nce_loss(positive, negative, keep, self._offset(bank, negative.detach(), keep))
        with torch.no_grad():
            for (_, value, bank, _), table in zip(pairs, tables):
                bank.write(table, sample, value.detach(), self.momentum)
            adapters.written[sample] = step
        return {
            "label": self.label_weight * label_cross_entropy(student.logits, context),
            "teacher": self.teacher_weight * contrast,
        }

    def parts(self, student, teacher, samples):
        return Contrast(*embedding_widths(student, teacher), samples, self.width)

    def _offset(self, bank: Bank, negative: Float[Tensor, "B K"], keep: Bool[Tensor, "B K"]) -> Float[Tensor, ""]:
        """log(K mean exp(score)) over the first batch that the bank met; kept from then on, as published."""
        mean = (negative.exp() * keep).sum() / keep.sum().clamp_min(1)
        fresh = (mean * self.negatives).log()
        bank.offset.copy_(torch.where(bank.offset.isinf(), fresh, bank.offset))
        return bank.offset.clone()
