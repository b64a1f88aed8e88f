"""Shows where the answers of a student differ: by confidence, by class, and in which classes it confuses.

Also on which images it learnt a mistake of its teacher. Pure functions of logits; lists are short however many images
and classes there are.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.measure.answers import Answers
from tutelage.measure.findings import Bin, Cell, Changes, Inherited
from tutelage.measure.measures import ECE_BINS

MATRIX_CLASSES = 20
"""A whole matrix of confusions up to so many classes; beyond, the largest changes alone."""
LARGEST = 20
"""Changes of confusion, and images, that are listed."""


def reliability(logits: list[Float[Tensor, "N C"]], labels: Int64[Tensor, " N"]) -> list[Bin]:
    """The 15 bins of a reliability diagram (Guo et al. 2017, section 2), the images of all seeds together."""
    answers = Answers(torch.cat(logits), labels.repeat(len(logits)))
    number = answers.bins
    images = torch.bincount(number, minlength=ECE_BINS).tolist()
    parts = (answers.confidence, answers.right.double())
    sums = [torch.zeros(ECE_BINS, dtype=torch.double).index_add_(0, number, part).tolist() for part in parts]
    return [
        {"images": n, "confidence": c / n if n else None, "accuracy": a / n if n else None}
        for n, c, a in zip(images, *sums, strict=True)
    ]


def confusion(logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> Int64[Tensor, "C C"]:
    """Images by true class (row) and predicted class (column)."""
    classes = logits.shape[1]
    return torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2).reshape(classes, classes)


def changes(
    student: list[Float[Tensor, "N C"]], baseline: list[Float[Tensor, "N C"]], labels: Int64[Tensor, " N"]
) -> Changes:
    """What the student does otherwise than the baseline.

    Args:
        student: One set of logits a seed.
        baseline: The same seeds.
        labels: Of the images.
    """
    difference = sum(confusion(s, labels) - confusion(b, labels) for s, b in zip(student, baseline, strict=True))
    mean = torch.as_tensor(difference).double() / len(student)
    counts = torch.bincount(labels, minlength=len(mean)).tolist()
    gains = [gain / n if n else None for gain, n in zip(mean.diagonal().tolist(), counts, strict=True)]
    apart = mean.clone().fill_diagonal_(0)
    cells = apart.abs().flatten().argsort(descending=True, stable=True)[:LARGEST].tolist()
    largest: list[Cell] = [
        {"true": cell // len(mean), "predicted": cell % len(mean), "images": round(apart.flatten()[cell].item(), 2)}
        for cell in cells
        if apart.flatten()[cell]
    ]
    small = len(mean) <= MATRIX_CLASSES
    matrix = [[round(value, 2) for value in row] for row in mean.tolist()] if small else None
    return {"class_gain": gains, "confusion": matrix, "largest": largest}


def inherited(
    student: list[Float[Tensor, "N C"]],
    baseline: list[Float[Tensor, "N C"]],
    teacher: Float[Tensor, "N C"],
    labels: Int64[Tensor, " N"],
) -> Inherited:
    """The images on which the student learnt its teacher's mistake: the teacher is wrong, the baseline of the same seed
    is right, and the student makes the very mistake.
    """
    answer = teacher.argmax(dim=1)
    wrong = answer != labels
    pairs = [(s.argmax(dim=1), b.argmax(dim=1)) for s, b in zip(student, baseline, strict=True)]
    right = torch.stack([wrong & (b == labels) for _, b in pairs])
    learnt = torch.stack([wrong & (b == labels) & (s == answer) for s, b in pairs])
    unlearnt = torch.stack([wrong & (b == answer) & (s == labels) for s, b in pairs])
    times, sure = learnt.sum(dim=0), teacher.double().softmax(dim=1).amax(dim=1)
    order = np.lexsort((-sure.numpy(), -times.numpy()))[:LARGEST]
    return {
        "teacher_wrong": int(wrong.sum()),
        "baseline_right": round(right.sum().item() / len(pairs), 2),
        "learnt": round(learnt.sum().item() / len(pairs), 2),
        "unlearnt": round(unlearnt.sum().item() / len(pairs), 2),
        "images": [
            {"position": int(i), "label": int(labels[i]), "teacher": int(answer[i]), "seeds": int(times[i])}
            for i in order
            if times[i]
        ],
    }


def right(logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> Any:
    """Where a network is right, one truth value an image."""
    return (logits.argmax(dim=1) == labels).numpy()
