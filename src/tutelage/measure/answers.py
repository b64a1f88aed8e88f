"""One network's answers to a split, and what the measures of `measures.py` need of them."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tutelage.measure.measures import ECE_BINS


@dataclass(frozen=True)
class Answers:
    """One network's answers to the images of a split, and what several measures need of them, computed once."""

    logits: Float[Tensor, "N C"]
    labels: Int64[Tensor, " N"]
    teacher_logits: Float[Tensor, "N C"] | None = None

    @property
    def classes(self) -> int:
        """How many there are to choose from."""
        return self.logits.shape[1]

    @property
    def taught(self) -> bool:
        """Whether there are a teacher's answers to compare with."""
        return self.teacher_logits is not None

    @cached_property
    def log_p(self) -> Float[Tensor, "N C"]:
        """Log-probabilities in float64."""
        return self.logits.double().log_softmax(dim=1)

    @property
    def teacher(self) -> Float[Tensor, "N C"]:
        """The teacher's logits.

        Raises:
            ValueError: there are none.
        """
        if self.teacher_logits is None:
            raise ValueError("no answers of a teacher")
        return self.teacher_logits

    @cached_property
    def confidence(self) -> Float[Tensor, " N"]:
        """The largest probability of each image."""
        return self.log_p.exp().amax(dim=1)

    @cached_property
    def predicted(self) -> Int64[Tensor, " N"]:
        """The class of the largest logit; of equals the first."""
        return self.logits.argmax(dim=1)

    @cached_property
    def right(self) -> Bool[Tensor, " N"]:
        """Where the predicted class is the label."""
        return self.predicted == self.labels

    @cached_property
    def bins(self) -> Int64[Tensor, " N"]:
        """The bin of each image's confidence among (k/15, (k+1)/15], k from 0."""
        return (self.confidence * ECE_BINS).ceil().long().clamp(1, ECE_BINS) - 1
