"""The records of what `fidelity.py` finds, as results.json holds them: reading them costs no torch."""

from typing import NotRequired, TypedDict


class Bin(TypedDict):
    """One bin of a reliability diagram: (k/15, (k+1)/15]. The means are None in an empty one."""

    images: int
    confidence: float | None
    accuracy: float | None


class Cell(TypedDict):
    """A change of the number of images of one class that are taken for another."""

    true: int
    predicted: int
    images: float


class Handed(TypedDict):
    """An image on which the student learnt its teacher's mistake."""

    position: int
    label: int
    teacher: int
    """The class that the teacher takes it for."""
    seeds: int
    """With how many seeds the student makes the mistake."""


class Inherited(TypedDict):
    """How many of its teacher's mistakes a student learnt: images, as means over the seeds but for the first."""

    teacher_wrong: int
    baseline_right: float
    """How many of those that the teacher gets wrong it has right."""
    learnt: float
    """How many of those again are learnt: the student makes the teacher's very mistake."""
    unlearnt: float
    """The baseline makes the teacher's mistake and the student is right."""
    images: list[Handed]
    """At most 20: those learnt with the most seeds first, then those the teacher is surest of."""


class Changes(TypedDict, total=False):
    """What a student does otherwise than the baseline, mean over the seeds."""

    class_gain: list[float | None]
    """Difference of accuracy by class; None where a class has no image."""
    confusion: list[list[float]] | None
    """Difference of the number of images by true and predicted class; None above 20 classes."""
    largest: list[Cell]
    """At most 20 of the confusion's cells, by size; the diagonal is left out."""


class Fidelity(Changes):
    """What the logits of all seeds of a row say on one split; the baseline's row has its reliability alone."""

    reliability: list[Bin]
    inherited: NotRequired[Inherited]
    """Where there is a teacher."""
