"""Shows what the teacher knows beyond the labels: its softened answers beside those of the student with and without it.

A dozen validation images; never an image of test.
"""

import base64
import io
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from tutelage.data.images import Images
from tutelage.training.predictions import Predictions

EACH = 6
"""Images shown for each reason."""
CLASSES = 4
"""Classes shown of an image: the likeliest by the teacher; and the label's, where it is not among them."""
LARGEST = 96
"""Pixels a side that the page needs; larger images are made smaller."""


def gallery(
    val: Images,
    predictions: dict[str, Predictions],
    *,
    baseline: str,
    student: str,
    temperature: float,
    learnt: list[int],
) -> dict[str, Any]:
    """The images and the answers to them, as JSON values.

    Chosen by rule: the six on which the teacher's softened answer has the highest entropy, and of the others the six
    on which student and baseline differ most (total variation of their softened answers); equals in the split's order.

    Args:
        val: The validation images.
        predictions: Logits on them by run; "teacher" among them.
        baseline: The run of the student alone.
        student: The run of the student taught, of the same seed.
        temperature: That softens all answers.
        learnt: Positions on which the student learnt its teacher's mistake.

    Returns:
        `temperature`, `baseline`, `student`; `uncertain`, `changed` and `learnt`: lists of `position`, `label`, `png`
        (base64) and `classes`, the teacher's likeliest and the label's: `index`, `teacher`, `baseline`, `student`
        (softened shares).
    """
    soft = {
        name: (predictions[run].logits.double() / temperature).softmax(dim=1)
        for name, run in (("teacher", "teacher"), ("baseline", baseline), ("student", student))
    }
    entropy = -(soft["teacher"] * soft["teacher"].clamp_min(1e-300).log()).sum(dim=1)
    apart = (soft["student"] - soft["baseline"]).abs().sum(dim=1) / 2
    uncertain = entropy.argsort(descending=True, stable=True)[:EACH].tolist()
    others = apart.argsort(descending=True, stable=True).tolist()
    changed = [position for position in others[: 2 * EACH] if position not in uncertain][:EACH]

    def told(position: int) -> dict[str, Any]:
        label = int(val.labels[position])
        shown = soft["teacher"][position].argsort(descending=True, stable=True)[:CLASSES].tolist()
        return {
            "position": position,
            "label": label,
            "png": base64.b64encode(_png(val.plain(torch.tensor([position]))[0])).decode(),
            "classes": [
                {"index": index}
                | {name: round(probabilities[position, index].item(), 4) for name, probabilities in soft.items()}
                for index in dict.fromkeys([*shown, label])
            ],
        }

    return {
        "temperature": temperature,
        "baseline": baseline,
        "student": student,
        "uncertain": [told(position) for position in uncertain],
        "changed": [told(position) for position in changed],
        "learnt": [told(position) for position in learnt[: 2 * EACH]],
    }


def _png(pixels: Float[Tensor, "C H W"]) -> bytes:
    from PIL import Image

    scale = LARGEST / max(pixels.shape[1:])
    if scale < 1:
        pixels = F.interpolate(pixels[None], scale_factor=scale, mode="bilinear", antialias=True)[0]
    whole: UInt8[Tensor, "H W C"] = (pixels * 255).round().clamp(0, 255).byte().permute(1, 2, 0)
    png = io.BytesIO()
    Image.fromarray(whole.squeeze(2).numpy()).save(png, "PNG", optimize=True)
    return png.getvalue()
