"""Answers a batch, whoever the teacher is: a live network, a cache, several of them, or nobody."""

import math
from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tutelage.models.tap import Tapped
from tutelage.models.weights import weights_digest
from tutelage.outputs import GRID, Outputs, Rotations

Pixels = Float[Tensor, "B C H W"]
Network = TypeVar("Network", bound=nn.Module)


class Teacher(ABC):
    """Answers without gradient, float32, on the device of the pixels."""

    @abstractmethod
    def answer(self, pixels: Pixels, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"]) -> Outputs:
        """What the teacher says about these views.

        Args:
            pixels: The views themselves, in [0, 1].
            sample: Their positions in the training split, on the pixels' device or on the CPU.
            view: Their view numbers, likewise.
        """

    @abstractmethod
    def expect(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"]) -> None:
        """Says which views will be asked for soon, so that answers on disk are read before they are needed.

        Args:
            sample: Their positions in the training split, on the CPU.
            view: Their view numbers, likewise.
        """


class NoTeacher(Teacher):
    """Nobody: logits of no classes, so that a method that reads them by mistake fails."""

    def expect(self, sample, view):
        pass

    def answer(self, pixels, sample, view):
        return Outputs(pixels.new_empty(len(pixels), 0))


class LiveTeacher(Teacher):
    """The network itself, on the very pixels the student sees.

    Args:
        network: Frozen here: evaluation mode, no gradient. `check_frozen` proves that nothing in it moved.
        want: Fields of `Outputs` beside logits: "embedding", "features", "regions", "rotations".
    """

    def __init__(self, network: Tapped, want: frozenset[str]):
        self.network = frozen(network)
        self.want = want
        self.stages = 0
        """How many first stages it says the features of, alone; 0: the whole network is computed."""
        self._digest = weights_digest(network)

    def answer(self, pixels, sample, view):
        # no_grad and not inference_mode: losses save these tensors for the student's gradient.
        with torch.no_grad():
            return self.network.shallow(pixels, self.stages) if self.stages else self.network(pixels, self.want)

    def expect(self, sample, view):
        pass

    def check_frozen(self) -> None:
        """Raises RuntimeError if any weight or buffer (BatchNorm statistics!) has changed."""
        if weights_digest(self.network) != self._digest:
            raise RuntimeError("the teacher changed while it taught: its answers are not one teacher's")


class Ensemble(Teacher):
    """Several teachers, who answer with `mean_logits`.

    Args:
        members: Each with answers of its own, live or cached.
        temperature: The method's.
    """

    def __init__(self, members: list[Teacher], temperature: float):
        self.members = members
        self.temperature = temperature

    def answer(self, pixels, sample, view):
        answers = [member.answer(pixels, sample, view).logits for member in self.members]
        return Outputs(mean_logits(answers, self.temperature))

    def expect(self, sample, view):
        for member in self.members:
            member.expect(sample, view)


def mean_logits(logits: list[Float[Tensor, "B C"]], temperature: float) -> Float[Tensor, "B C"]:
    """Logits z with softmax(z / T) = mean_k softmax(z_k / T): probabilities are averaged, not logits.

    z = T log mean_k softmax(z_k / T) + c, where c = mean_k T logsumexp(z_k / T), a number for each image, puts z at
    the members' own level: equal members answer as one of them would. One member's logits are returned as they are.
    """
    if len(logits) == 1:
        return logits[0]
    softened = torch.stack(logits) / temperature
    level = softened.logsumexp(dim=-1, keepdim=True)
    log_p = (softened - level).logsumexp(dim=0) - math.log(len(logits))
    return temperature * (log_p + level.mean(dim=0))


def frozen(network: Network) -> Network:
    """The network in evaluation mode with no parameter that wants a gradient."""
    network.eval()
    network.requires_grad_(requires_grad=False)
    return network


def of_rows(rows: dict[str, Tensor]) -> Outputs:
    """Rows of every field that was asked for, as a teacher would say them: the reverse of `rows_of`."""
    logits, regions, rotations = rows["logits"], rows.get("regions"), rows.get("rotations")
    classes = logits.shape[1]
    regions = None if regions is None else regions.unflatten(1, (GRID**2, classes))
    if rotations is not None:
        rotations = rotations.unflatten(1, (3, -1))
        rotations = Rotations(rotations[..., :classes], rotations[..., classes:])
    return Outputs(logits, rows.get("embedding"), regions=regions, rotations=rotations)


def rows_of(answer: Outputs, field: str) -> Float[Tensor, "B _"]:
    """A field of an answer as a row for each image: of rotations logits and embedding of one after the other."""
    value = getattr(answer, field)
    return (torch.cat(value, dim=2) if field == "rotations" else value).flatten(1)
