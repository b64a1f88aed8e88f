"""Which image belongs where, for ever."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tutelage.data import DATASETS, Data, load, sources
from tutelage.data.test_split import open_test
from tutelage.errors import UserError

CIFAR = Path(os.environ.get("TUTELAGE_DATA", "/nonexistent")) / "cifar-10-batches-py"
needs_cifar = pytest.mark.skipif(not CIFAR.is_dir(), reason="set TUTELAGE_DATA to a folder with cifar-10-batches-py/")


def test_train_val_and_test_are_disjoint_and_complete(tmp_path):
    from sklearn.datasets import load_digits

    data = load(Data("digits"))
    test = open_test(data, tmp_path / "ledger.jsonl", run="a", reason="b").images
    assert not set(data.train_positions.tolist()) & set(data.val_positions.tolist())
    assert len(data.train) + len(data.val) + len(test) == 1797
    images = torch.cat([data.train.images, data.val.images, test])
    rows = {tuple(image) for image in images.flatten(1).tolist()}
    assert len(rows) == len({tuple(image) for image in load_digits().images.reshape(1797, -1).tolist()})


def test_images_and_labels_are_those_of_the_positions():
    data = load(Data("digits"))
    images, labels, _ = sources.read("digits", None)
    for split, positions in ((data.train, data.train_positions), (data.val, data.val_positions)):
        assert torch.equal(split.images, images[positions])
        assert torch.equal(split.labels, labels[positions])
        assert torch.equal(positions, positions.sort().values)


def test_every_class_has_its_share_of_every_split():
    data = load(Data("digits", part=500))
    whole = sources.read("digits", None)[1].bincount()
    for split in (data.train, data.val):
        expected = whole * (len(split) / 1438)
        assert ((split.labels.bincount(minlength=10) - expected).abs() <= 1.5).all()


def test_a_smaller_part_lies_within_a_larger():
    parts = [set(load(Data("digits", part=part)).train_positions.tolist()) for part in (20, 300, 1000, 0)]
    assert [len(part) for part in parts] == [20, 300, 1000, 1294]
    assert parts[0] < parts[1] < parts[2] < parts[3]


def test_part_leaves_val_alone():
    whole, part = load(Data("digits")), load(Data("digits", part=100))
    assert torch.equal(whole.val_positions, part.val_positions)
    assert whole.val.digest == part.val.digest


def test_what_is_held_back_is_one_fold_of_train_and_all_folds_are_train():
    whole = load(Data("digits"))
    parts = [load(Data("digits", held_back=(number, 3))) for number in range(3)]
    held_back = [set(whole.train_positions.tolist()) - set(part.train_positions.tolist()) for part in parts]
    assert set.union(*held_back) == set(whole.train_positions.tolist())
    assert sum(map(len, held_back)) == len(whole.train)
    for part in parts:
        assert torch.equal(part.val_positions, whole.val_positions)
        assert len(part.train) == len(part.train_positions)
        chosen = torch.isin(whole.train_positions, part.train_positions)
        assert torch.equal(part.train.labels, whole.train.labels[chosen])
    assert len({whole.digest, *(part.digest for part in parts)}) == 4


def test_more_folds_than_a_class_has_images():
    rare = load(Data("digits", part=12))
    with pytest.raises(UserError, match=r"without fold \d a class would have none"):
        rare.folds(5)


def test_the_split_is_fixed():
    """A new release must not mix yesterday's validation images into training."""
    data = load(Data("digits"))
    assert data.train_positions[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert data.val_positions[:8].tolist() == [12, 21, 39, 50, 53, 54, 56, 82]
    assert data.digest == "e7f5c5bf62d72853979524d77b0de2a439c0549c55e928433ecc868df65d77dc"
    assert load(Data("digits")).digest == data.digest
    assert load(Data("digits", part=20)).train_positions[:8].tolist() == [151, 157, 163, 340, 409, 446, 534, 586]


def test_the_digest_sees_what_is_trained_on():
    digests = {load(data).digest for data in (Data("digits"), Data("digits", part=100), Data("digits", val_share=0.2))}
    assert len(digests) == 3


def test_constants_are_those_of_the_training_images():
    images = sources.read("digits", None)[0].double() / 255
    row = DATASETS["digits"]
    assert row.mean == pytest.approx([images.mean().item()], abs=5e-5)
    assert row.std == pytest.approx([images.std(correction=0).item()], abs=5e-5)
    data = load(Data("digits"))
    assert (data.mean, data.std, data.classes) == (row.mean, row.std, tuple("0123456789"))


@needs_cifar
def test_cifar10_as_published():
    row = DATASETS["cifar10"]
    images, labels, classes = sources.read("cifar10", CIFAR.parent)
    assert (len(images), len(classes), tuple(images.shape[1:])) == (row.train, row.classes, (3, row.size, row.size))
    value = np.arange(256) / 255
    for channel in range(3):
        weight = np.bincount(images[:, channel].numpy().ravel(), minlength=256) / images[:, channel].numel()
        mean = (weight * value).sum()
        assert row.mean[channel] == pytest.approx(mean, abs=5e-5)
        assert row.std[channel] == pytest.approx((weight * (value - mean) ** 2).sum() ** 0.5, abs=5e-5)
    data = load(Data("cifar10"), CIFAR.parent)
    assert data.train.labels.bincount().tolist() == [4500] * 10
    assert data.val.labels.bincount().tolist() == [500] * 10
    assert classes[labels[0]] == "frog"  # the first training image, as on the data set's page


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"part": 1295}, "data.part is 1295, expected 10 to 1294 training images of digits"),
        ({"part": 9}, "data.part is 9, expected 10 to 1294 training images of digits"),
        (
            {"val_share": 0.005},
            "data.val_share is 0.005: 7 of 1438 images, but both splits need at least one of each of the 10 classes",
        ),
    ],
)
def test_sizes_the_set_does_not_allow(data, message):
    with pytest.raises(UserError) as caught:
        load(Data("digits", **data))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("part", -1, "data.part is -1, expected a number of training images"),
        ("val_share", 0.0, "data.val_share is 0, expected a share above 0 and below 1"),
        ("val_share", 1.0, "data.val_share is 1, expected a share above 0 and below 1"),
        ("val_share", float("nan"), "data.val_share is nan, expected a share above 0 and below 1"),
    ],
)
def test_values_out_of_range_are_refused(field, value, message):
    with pytest.raises(UserError) as caught:
        Data(**{field: value})
    assert caught.value.message == message


def test_a_data_set_holds_no_test_images(tmp_path):
    data = load(Data("digits"))
    test = open_test(data, tmp_path / "ledger.jsonl", run="a", reason="b")
    assert not any("test" in field.name for field in dataclasses.fields(data))
    for value in vars(data).values():
        assert not (hasattr(value, "images") and len(value) == len(test))


def test_importing_the_tables_imports_no_torch():
    script = "import sys, tutelage.data, tutelage.data.augment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_last_data_set_is_kept_and_another_root_is_another_one(tmp_path, monkeypatch):
    """A study and the evaluation after a run do not read and check the same files again."""
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)
    first = load(Data("digits"))
    assert load(Data("digits")) is first
    monkeypatch.setenv("TUTELAGE_DATA", str(tmp_path))
    other = load(Data("digits"))
    assert other is not first
    assert load(Data("digits"), tmp_path) is not other
