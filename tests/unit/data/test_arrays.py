"""Pictures in memory as data: the same pixels, labels and splits as were given."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from tutelage.data import Data, load
from tutelage.errors import UserError

GENERATOR = np.random.default_rng(0)
PICTURES = GENERATOR.integers(0, 256, (40, 12, 12, 3), np.uint8)
LABELS = np.arange(40) % 2


def shown(dataset) -> dict[bytes, int]:
    """The label of every picture of train and val, by its pixels."""
    found = {}
    for images in (dataset.train, dataset.val):
        pixels = images.plain(torch.arange(len(images)))
        for picture, label in zip(pixels, images.labels.tolist(), strict=True):
            found[(picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy().tobytes()] = label
    return found


def test_the_pixels_and_labels_are_those_that_were_given():
    data = Data.of(PICTURES, LABELS, classes=["cat", "dog"], test=(PICTURES[:2], LABELS[:2]))
    dataset = load(data)
    assert dataset.classes == ("cat", "dog")
    assert shown(dataset) == {picture.tobytes(): label for picture, label in zip(PICTURES, LABELS, strict=True)}


@pytest.mark.parametrize(
    "given",
    [
        (PICTURES.transpose(0, 3, 1, 2), LABELS),
        (torch.from_numpy(PICTURES), torch.from_numpy(LABELS)),
        (PICTURES.astype(np.float32) / 255, LABELS),
        (list(PICTURES), LABELS.tolist()),
        (TensorDataset(torch.from_numpy(PICTURES), torch.from_numpy(LABELS)), None),
    ],
    ids=["channels first", "tensors", "floats", "lists", "a Dataset"],
)
def test_however_they_are_given_they_are_the_same_data(given):
    assert Data.of(*given) == Data.of(PICTURES, LABELS)


def test_other_labels_are_other_data():
    assert Data.of(PICTURES, LABELS) != Data.of(PICTURES, 1 - LABELS)


def test_given_splits_are_kept():
    data = Data.of(PICTURES[:20], LABELS[:20], val=(PICTURES[20:30], LABELS[20:30]), test=(PICTURES[30:], LABELS[30:]))
    dataset = load(data)
    assert (len(dataset.train), len(dataset.val)) == (20, 10)


def test_classes_without_names_are_in_the_order_of_their_numbers():
    pictures = GENERATOR.integers(0, 256, (144, 6, 6), np.uint8)
    assert load(Data.of(pictures, np.arange(144) % 12)).classes[:3] == ("00", "01", "02")


@pytest.mark.parametrize(
    ("pictures", "labels", "more", "said"),
    [
        (PICTURES, LABELS[:3], {}, "40 pictures and 3 labels"),
        (PICTURES, LABELS * 1.5, {}, "the label"),
        (PICTURES, LABELS - 1, {}, "the label"),
        (PICTURES.astype(np.float32), LABELS, {}, "pixels of type float32 from 0 to 255"),
        (PICTURES.astype(np.int64), LABELS, {}, "pixels of type int64"),
        (PICTURES[:, :, :, :2], LABELS, {}, r"a picture of shape \[12, 12, 2\]"),
        (PICTURES, LABELS, {"classes": ["one"]}, "label 1 in data of 1 classes"),
        (PICTURES, LABELS, {"classes": ["..", "a/b"]}, "cannot be a folder's name"),
    ],
)
def test_what_is_wrong_is_named(pictures, labels, more, said):
    with pytest.raises(UserError, match=said):
        Data.of(pictures, labels, **more)


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    with pytest.raises(UserError, match="exists already"):
        Data.of(PICTURES, LABELS, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert Data.of(PICTURES, LABELS, folder=tmp_path / "new").name == str(tmp_path / "new")
