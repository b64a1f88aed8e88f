"""Which images the gallery shows, and what it says of them."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from tutelage.data.memory import MemoryImages
from tutelage.study.gallery import LARGEST, gallery
from tutelage.training.predictions import Predictions

LABELS = torch.arange(40) % 4


def made(side: int = 8) -> tuple[MemoryImages, dict[str, Predictions]]:
    """Teacher: sure but of images 7 and 30. Student: as the baseline but on image 5."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, side, side), generator=generator, dtype=torch.uint8)
    teacher = torch.nn.functional.one_hot(LABELS, 4) * (8 + torch.arange(40) / 10)[:, None]
    teacher[7] = 0
    teacher[30] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    alone = torch.zeros(40, 4)
    taught = alone.clone()
    taught[5] = torch.tensor([8.0, 0.0, 0.0, 0.0])
    logits = {"teacher": teacher, "a": alone, "b": taught}
    return MemoryImages(images, LABELS), {name: Predictions(of, LABELS) for name, of in logits.items()}


def test_the_rule():
    val, kept = made()
    told = gallery(val, kept, baseline="a", student="b", temperature=2.0, learnt=[3])
    assert [image["position"] for image in told["uncertain"]][:2] == [7, 30]
    assert told["changed"][0]["position"] == 5
    assert [image["position"] for image in told["learnt"]] == [3]
    shown = [image["position"] for image in told["uncertain"] + told["changed"]]
    assert len(set(shown)) == len(shown) == 12


def test_answers_are_softened():
    val, kept = made()
    (five,) = [i for i in gallery(val, kept, baseline="a", student="b", temperature=2.0, learnt=[])["changed"]
               if i["position"] == 5]  # fmt: skip
    # T = 2: of the teacher e^4.25 / (e^4.25 + 3), of the student 1 / (e^4 + 3)
    assert five["classes"][0] == {"index": 1, "teacher": 0.9590, "baseline": 0.25, "student": 0.0174}
    assert five["label"] == 1


@pytest.mark.parametrize(("side", "shown"), [(8, 8), (200, LARGEST)])
def test_the_picture_is_the_image(side, shown):
    val, kept = made(side)
    image = gallery(val, kept, baseline="a", student="b", temperature=2.0, learnt=[])["uncertain"][0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["png"]))))
    assert pixels.shape == (shown, shown, 3)
    if side == shown:
        assert np.array_equal(pixels, val.images[7].permute(1, 2, 0))
