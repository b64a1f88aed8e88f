"""What MemoryImages keeps and how it is identified; the views themselves are in tests/property/test_views.py."""

import numpy as np
import torch

from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages

PIXELS = np.random.default_rng(1).integers(0, 256, (12, 3, 6, 5), dtype=np.uint8)
LABELS = torch.arange(12) % 4


def make(pixels=PIXELS, labels=LABELS):
    return MemoryImages(torch.from_numpy(pixels), labels)


def test_images_labels_shape_and_length_are_kept():
    images = make()
    assert len(images) == 12
    assert images.shape == (3, 6, 5)
    assert torch.equal(images.images, torch.from_numpy(PIXELS))
    assert torch.equal(images.labels, LABELS)


def test_plain_images_by_position_in_any_order():
    position = torch.tensor([7, 0, 7])
    expected = (PIXELS[position] / 255.0).astype(np.float32)
    np.testing.assert_allclose(make().plain(position), expected, atol=6e-8)


def test_the_input_is_copied():
    pixels = torch.from_numpy(PIXELS.copy())
    images = MemoryImages(pixels, LABELS)
    pixels.zero_()
    assert torch.equal(images.images, torch.from_numpy(PIXELS))


def test_the_layout_of_the_input_does_not_matter():
    strided = torch.from_numpy(PIXELS.transpose(0, 2, 3, 1).copy()).permute(0, 3, 1, 2)
    assert MemoryImages(strided, LABELS).digest == make().digest


def test_the_digest_sees_pixels_labels_and_shape():
    pixels = PIXELS.copy()
    pixels[11, 2, 5, 4] ^= 1
    labels = LABELS.clone()
    labels[0] += 1
    reshaped = PIXELS.transpose(0, 2, 3, 1).reshape(12, 5, 6, 3).transpose(0, 3, 1, 2)  # the same bytes
    digests = [make().digest, make(pixels).digest, make(labels=labels).digest, make(reshaped.copy()).digest]
    assert len(set(digests)) == 4


def test_the_digest_is_fixed():
    """Caches are found by it: it must not change from version to version."""
    pixels = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    expected = "fe4b97ae726b7eb1ce493642527aeb1bf873e39db68e7ca5f1047cebdfdf683e"
    assert MemoryImages(pixels, torch.tensor([0, 1])).digest == expected


def test_to_moves_everything_and_keeps_the_digest():
    images = make()
    moved = images.to("cpu")
    sample = torch.arange(12)
    assert moved.digest == images.digest
    assert torch.equal(moved.view(sample, sample, Augment()).pixels, images.view(sample, sample, Augment()).pixels)
    assert images.to("meta").images.device.type == "meta"
    assert images.images.device.type == "cpu"


def test_the_mean_colour_is_rounded_to_the_nearest():
    """Cutout as large as the image shows it: 1.5 rounds to 2, 0.25 to 0."""
    pixels = torch.tensor([[[[1, 2], [2, 1]], [[0, 0], [0, 1]]]], dtype=torch.uint8)
    images = MemoryImages(pixels, torch.zeros(1, dtype=torch.long))
    view = torch.arange(50)
    shown = images.view(torch.zeros_like(view), view, Augment(crop_padding=0, flip="none", cutout=2)).pixels * 255
    first = shown[:, 0].round().flatten(1)
    covered = (first == 2).all(1)
    assert covered.any()
    assert (shown[covered, 1] == 0).all()
