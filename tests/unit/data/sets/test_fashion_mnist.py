"""Fashion-MNIST's files: small ones of the real format, as Debian packs them; what is said when they are not right."""

import gzip
import hashlib
import struct
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision.datasets.mnist

from tutelage.data import sources, turnstile
from tutelage.data.sets import fashion_mnist
from tutelage.errors import UserError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", offline)


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """Three training and two test images in the IDX format, packed as Debian's package packs them."""
    debian = tmp_path / "debian"
    debian.mkdir()
    content = {}
    for split, count in (("train", 3), ("t10k", 2)):
        images = RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        content[split] = images
        idx = {
            f"{split}-images-idx3-ubyte": struct.pack(">4i", 2051, count, 28, 28) + images.tobytes(),
            f"{split}-labels-idx1-ubyte": struct.pack(">2i", 2049, count) + bytes(range(count)),
        }
        for name, data in idx.items():
            (debian / f"{name}.gz").write_bytes(gzip.compress(data))
            monkeypatch.setitem(fashion_mnist.MD5, f"FashionMNIST/raw/{name}", hashlib.md5(data).hexdigest())
    monkeypatch.setattr(fashion_mnist, "DEBIAN", debian)
    root = tmp_path / "data"
    root.mkdir()
    return root, debian, content


def test_debians_files_are_unpacked_once(fashion):
    root, debian, content = fashion
    images, labels, classes = sources.read("fashion_mnist", root)
    assert np.array_equal(images[:, 0].numpy(), content["train"])
    assert labels.tolist() == [0, 1, 2]
    assert labels.dtype == torch.int64
    assert classes[0] == "T-shirt/top"
    for file in debian.iterdir():
        file.unlink()
    with turnstile.passing("a test"):
        test = sources.read_test("fashion_mnist", root)[0]
    assert np.array_equal(test[:, 0].numpy(), content["t10k"])


def test_a_corrupt_unpacked_file_is_named(fashion):
    """torchvision does not look into these."""
    root, _, _ = fashion
    sources.read("fashion_mnist", root)
    path = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="train-images-idx3-ubyte is corrupt"):
        sources.read("fashion_mnist", root)


def test_missing_fashion_mnist_names_files_folder_and_debian(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "not installed")
    with pytest.raises(UserError) as caught:
        sources.read("fashion_mnist", tmp_path)
    for file in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        assert f"FashionMNIST/raw/{file}" in caught.value.message
    assert "FashionMNIST/raw/" in caught.value.hint
    assert "dataset-fashion-mnist" in caught.value.hint
