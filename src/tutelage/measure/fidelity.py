"""Shows where the answers of a student differ: by confidence, by class, and in which classes it confuses.

Also on which images it learnt a mistake of its teacher. Pure functions of logits; lists are short however many images
and classes there are.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tutelage.measure.classifier import calibration_bins

MATRIX_CLASSES = 20
"""A whole matrix of confusions up to so many classes; beyond, the largest changes alone."""
LARGEST = 20
"""Changes of confusion, and images, that are listed."""


def reliability(logits: list[Float[Tensor, "N C"]], labels: Int64[Tensor, " N"]) -> list[dict[str, Any]]:
    """The 15 bins of a reliability diagram (Guo et al. 2017, section 2), the images of all seeds together.

    Returns:
        One dict a bin: `images`, and mean `confidence` and `accuracy` there (None in an empty one).
    """
    together = torch.cat(logits)
    return calibration_bins(together, labels.repeat(len(logits)))


def confusion(logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> Int64[Tensor, "C C"]:
    """Images by true class (row) and predicted class (column)."""
    classes = logits.shape[1]
    return torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2).reshape(classes, classes)


def changes(
    student: list[Float[Tensor, "N C"]], baseline: list[Float[Tensor, "N C"]], labels: Int64[Tensor, " N"]
) -> dict[str, Any]:
    """What the student does otherwise than the baseline, mean over the seeds.

    Args:
        student: One set of logits a seed.
        baseline: The same seeds.
        labels: Of the images.

    Returns:
        `class_gain` (difference of accuracy by class, None where a class has no image); `confusion` (difference of
        the number of images by true and predicted class, a matrix; None above 20 classes); `largest` (at most 20 of its
        cells, by size: `true`, `predicted`, `images`; the diagonal is left out).
    """
    difference = sum(confusion(s, labels) - confusion(b, labels) for s, b in zip(student, baseline, strict=True))
    mean = torch.as_tensor(difference).double() / len(student)
    counts = torch.bincount(labels, minlength=len(mean)).tolist()
    gains = [gain / n if n else None for gain, n in zip(mean.diagonal().tolist(), counts, strict=True)]
    apart = mean.clone().fill_diagonal_(0)
    cells = apart.abs().flatten().argsort(descending=True, stable=True)[:LARGEST].tolist()
    largest = [
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
) -> dict[str, Any]:
    """The images on which the student learnt its teacher's mistake: the teacher is wrong, the baseline of the same seed
    is right, and the student makes the very mistake.

    Returns:
        `teacher_wrong` (images); `baseline_right` (of those; mean over seeds) and `learnt` (of those again); `unlearnt`
        (mean number where the baseline makes the teacher's mistake and the student is right); `images`, at most 20,
        those learnt with the most seeds first, then those the teacher is surest of: `position`, `label`, `teacher`
        (its class), `seeds` (with how many).
    """
    told = teacher.argmax(dim=1)
    wrong = told != labels
    pairs = [(s.argmax(dim=1), b.argmax(dim=1)) for s, b in zip(student, baseline, strict=True)]
    right = torch.stack([wrong & (b == labels) for _, b in pairs])
    learnt = torch.stack([wrong & (b == labels) & (s == told) for s, b in pairs])
    unlearnt = torch.stack([wrong & (b == told) & (s == labels) for s, b in pairs])
    times, sure = learnt.sum(dim=0), teacher.double().softmax(dim=1).amax(dim=1)
    order = np.lexsort((-sure.numpy(), -times.numpy()))[:LARGEST]
    return {
        "teacher_wrong": int(wrong.sum()),
        "baseline_right": round(right.sum().item() / len(pairs), 2),
        "learnt": round(learnt.sum().item() / len(pairs), 2),
        "unlearnt": round(unlearnt.sum().item() / len(pairs), 2),
        "images": [
            {"position": int(i), "label": int(labels[i]), "teacher": int(told[i]), "seeds": int(times[i])}
            for i in order
            if times[i]
        ],
    }


def right(logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"]) -> Any:
    """Where a network is right, one truth value an image."""
    return (logits.argmax(dim=1) == labels).numpy()
