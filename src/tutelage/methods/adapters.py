"""Holds the trainable and frozen parts that several methods put between the two networks."""

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tutelage.errors import UserError
from tutelage.methods._common import widened
from tutelage.methods._pairs import Pair, describe_pairs
from tutelage.outputs import Sizes


class StagePairs(nn.Module):
    """Which stages a method compares, with a trainable part for each pair where it has one."""

    def __init__(self, pairs: tuple[Pair, ...], parts: Iterable[nn.Module] = ()):
        super().__init__()
        self.pairs = pairs
        self.parts = nn.ModuleList(parts)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """(student's map, teacher's map) of each pair: at least float32, the teacher's without gradient."""
        return [(widened(student[i]), widened(teacher[j].detach())) for i, j in self.pairs]


def pairs_in_words(adapters: nn.Module, student: Sizes, teacher: Sizes) -> list[str]:
    """One line for each pair of stages that the adapters compare, for the log; none where none are compared."""
    found = [getattr(part, "pairs", ()) for part in adapters.modules()]
    return [line for pairs in found for line in describe_pairs(student, teacher, pairs)]


def stages_read(needs: frozenset[str], adapters: nn.Module, teacher: Sizes) -> int:
    """How many of the teacher's stages a method looks at, from the first on; 0 where it looks behind the last one.

    Args:
        needs: The method's.
        adapters: The method's.
        teacher: Its shapes.
    """
    if needs != {"features"}:
        return 0
    # A sum of methods may hold one that does not say what it reads.
    pairs = adapters.pairs if isinstance(adapters, StagePairs) else ()
    return 1 + max((j for _, j in pairs), default=len(teacher.features) - 1)


class FrozenHead(nn.Module):
    """The teacher's last linear layer: buffers, so that no optimiser touches it.

    Raises:
        UserError: the teacher has none.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, teacher: Sizes):
        super().__init__()
        if teacher.head is None:
            raise UserError(
                "this method reuses the teacher's last linear layer, and this teacher has none",
                "choose a teacher that ends in a linear layer, or another method: tutelage list methods",
            )
        self.register_buffer("weight", teacher.head.weight.detach().clone())
        self.register_buffer("bias", teacher.head.bias.detach().clone())

    def forward(self, embedding: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        return F.linear(embedding, self.weight, self.bias)


def embedding_widths(student: Sizes, teacher: Sizes) -> tuple[int, int]:
    """The lengths of both embeddings.

    Raises:
        UserError: a network has none.
    """
    for name, sizes in (("student", student), ("teacher", teacher)):
        if sizes.embedding is None:
            raise UserError(f"this method compares embeddings, and the {name} has none", "tap its last layer's input")
    return int(student.embedding or 0), int(teacher.embedding or 0)


def conv_bn(inputs: int, outputs: int, kernel: int = 1, *, relu: bool = False) -> nn.Sequential:
    """Convolution that keeps the size, without the bias that batch norm would cancel; batch norm; ReLU on demand."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else []))
