"""A file's answers to val's pictures as files, by the code that `tutelage predict` runs: what a device will say.

Val as training sees it and val as a device sees it must be the same pixels. This is where that is found out.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from tutelage import rng
from tutelage.data.files import FileImages
from tutelage.data.images import Images
from tutelage.edge.pixels import as_input, upright
from tutelage.edge.runtimes import Infer, open_file
from tutelage.progress import advancing

PICTURES = 1000
"""How many pictures of val are read at most: reading them takes longer than their answers."""
ROUNDING = 1e-3
"""Logits that differ by less are the same but for the order in which a runtime adds."""


def from_files(
    path: Path, images: Images, logits: Float32[np.ndarray, "N C"], infer: Infer | None = None
) -> dict[str, Any]:
    """Compares what a file says of pictures with what it said of a split's pixels.

    Args:
        path: The file; its card is inside or beside it.
        images: The split.
        logits: The file's, on the split's pixels.
        infer: What runs the file; None: the runtime of its suffix.

    Returns:
        `images`, of which at most `PICTURES`; `top1`, from files; `drop`, the top-1 of `logits` on the same images less
        that; `changed`, images with another top-1; `wrong`, those of them whose logits differ by more than `ROUNDING`;
        `largest_difference`, of logits.
    """
    chosen = rng.permutation(0, 0, len(images))[:PICTURES].sort().values
    student = open_file(path)
    card, infer = student.card(), infer or student.infer
    answers = []
    with advancing(f"{path.name} from files", len(chosen)) as advance:
        for position in chosen.tolist():
            picture = upright(io.BytesIO(file_of(images, position)), card.shape[0])
            answers.append(infer(as_input(picture, card))[0])
            advance(1)
    answered, expected, labels = np.stack(answers), logits[chosen.numpy()], images.labels[chosen].cpu().numpy()
    apart = np.abs(answered - expected).max(1)
    changed = answered.argmax(1) != expected.argmax(1)
    right, before = (float((answers.argmax(1) == labels).mean()) for answers in (answered, expected))
    return {
        "images": len(chosen),
        "top1": right,
        "drop": before - right,
        "changed": int(changed.sum()),
        "wrong": int((changed & (apart > ROUNDING)).sum()),
        "largest_difference": float(apart.max()),
    }


def file_of(images: Images, position: int) -> bytes:
    """The picture file of an image; where it came from none, its pixels as PNG."""
    if isinstance(images, FileImages):
        return images.decoder.file(position)
    return _png((images.plain(torch.tensor([position]))[0] * 255).round().byte().permute(1, 2, 0))


def _png(pixels: UInt8[Tensor, "H W C"]) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels.squeeze(2).cpu().numpy()).save(written, "PNG")
    return written.getvalue()
