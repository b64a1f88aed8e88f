"""Published CIFAR-10 weights reach their published accuracy, to the last of the 10,000 test images.

The longest tests of the suite: about a minute and a half on one core.
"""

import os
from pathlib import Path

import pytest
import torch

from tutelage import data
from tutelage.data import DATASETS, Data
from tutelage.data.test_split import open_test
from tutelage.measure.classifier import measure, predict
from tutelage.models import DataSpec, Model, build

IMAGES = Path(os.environ.get("TUTELAGE_DATA", "/nonexistent")) / "cifar-10-batches-py"
WEIGHTS = Path(os.environ.get("TUTELAGE_WEIGHTS", "/nonexistent"))
needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason="set TUTELAGE_DATA to a folder with cifar-10-batches-py/")

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module")
def test_images(tmp_path_factory):
    dataset = data.load(Data("cifar10"))
    ledger = tmp_path_factory.mktemp("ledger") / "test_openings.jsonl"
    return open_test(dataset, ledger, run="published weights", reason="tests whether networks are built as published")


@needs_images
@pytest.mark.parametrize(
    ("name", "file", "wrong", "normalisation"),
    [
        ("mlperf_tiny_resnet8", "cifar10_resnet8_mlperftiny", 1281, {}),
        ("resnet20", "cifar10_resnet20_akamaster", 827, IMAGENET),
        ("resnet32", "cifar10_resnet32_akamaster", 737, IMAGENET),
        ("resnet44", "cifar10_resnet44_akamaster", 690, IMAGENET),
        ("resnet56", "cifar10_resnet56_akamaster", 661, IMAGENET),
    ],
)
def test_as_accurate_as_published(test_images, name, file, wrong, normalisation):
    path = WEIGHTS / f"{file}.safetensors"
    if not path.is_file():
        pytest.skip(f"set TUTELAGE_WEIGHTS to a folder with {path.name}")
    row = DATASETS["cifar10"]
    model = Model(name, weights=str(path), **normalisation)
    network = build(model, DataSpec(10, 3, 32, row.mean, row.std))
    network = network.to(memory_format=torch.channels_last)
    measured = measure(predict(network, test_images), test_images.labels)
    assert measured["images"] == 10_000
    assert round((1 - measured["top1"]) * 10_000) == wrong
