"""Reading the files of a data set, on small files of the real formats; what is said when they are not right."""

import gzip
import hashlib
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision.datasets.cifar
import torchvision.datasets.mnist
from torchvision.datasets import CIFAR10, CIFAR100

from tutelage.data import DATASETS, sources
from tutelage.errors import UserError

RNG = np.random.default_rng(0)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", offline)
    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", offline)


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """Two images a file, in the layout of the python version of CIFAR-10: rows of 1024 red, green, blue values."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = {}

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return name, md5(folder / name)

    def batch(name, labels):
        rows[name] = RNG.integers(0, 256, (2, 3072), dtype=np.uint8)
        return write(name, {"data": rows[name], "labels": labels})

    train = [batch(f"data_batch_{i}", [i, 9 - i]) for i in range(1, 6)]
    test = [batch("test_batch", [7, 0])]
    meta = write("batches.meta", {"label_names": [f"kind {i}" for i in range(10)]})
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", test)
    monkeypatch.setattr(CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    return tmp_path, rows


@pytest.mark.parametrize("inside", [False, True], ids=["the folder above", "the folder itself"])
def test_cifar_is_read_as_it_was_written(cifar10, inside):
    root, rows = cifar10
    images, labels, classes = sources.read("cifar10", root / "cifar-10-batches-py" if inside else root, train=True)
    assert labels.tolist() == [1, 8, 2, 7, 3, 6, 4, 5, 5, 4]
    assert classes == tuple(f"kind {i}" for i in range(10))
    assert images.shape == (10, 3, 32, 32)
    row = rows["data_batch_2"][1]
    for channel, y, x in [(0, 0, 0), (1, 5, 30), (2, 31, 31)]:
        assert images[3, channel, y, x] == row[channel * 1024 + y * 32 + x]
    images, labels, _ = sources.read("cifar10", root, train=False)
    assert labels.tolist() == [7, 0]
    assert np.array_equal(images.numpy().reshape(2, -1), rows["test_batch"])


def test_the_environment_names_the_folder(cifar10, monkeypatch):
    root, _ = cifar10
    monkeypatch.setenv("TUTELAGE_DATA", str(root))
    assert len(sources.read("cifar10", None, train=True)[1]) == 10


def test_a_corrupt_file_is_named(cifar10):
    root, _ = cifar10
    path = root / "cifar-10-batches-py" / "data_batch_3"
    expected = md5(path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        sources.read("cifar10", root, train=True)
    assert caught.value.message == f"{path} is corrupt: its MD5 is not {expected}"
    assert "delete it and run again" in caught.value.hint
    assert "cifar-10-python.tar.gz" in caught.value.hint


def test_missing_files_without_a_network_say_what_to_put_where(tmp_path):
    with pytest.raises(UserError) as caught:
        sources.read("cifar100", tmp_path, train=True)
    assert caught.value.message == (
        f"cifar100 is not in {tmp_path} (missing: cifar-100-python/train, cifar-100-python/test, "
        "cifar-100-python/meta), and the download failed: <urlopen error no network>"
    )
    assert caught.value.hint == (
        f"unpack {CIFAR100.url} there, so that it holds cifar-100-python/; "
        "--data-root DIR or TUTELAGE_DATA names another folder"
    )


def test_missing_files_are_downloaded(cifar10, tmp_path, monkeypatch):
    root, rows = cifar10
    empty = tmp_path / "empty"
    empty.mkdir()

    def download(url, target, filename, md5):
        assert url == CIFAR10.url
        (root / "cifar-10-batches-py").rename(Path(target) / "cifar-10-batches-py")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", download)
    images, _, _ = sources.read("cifar10", empty, train=False)
    assert np.array_equal(images.numpy().reshape(2, -1), rows["test_batch"])


@pytest.mark.parametrize("source", ["--data-root", "TUTELAGE_DATA"])
def test_a_missing_folder_is_named(tmp_path, monkeypatch, source):
    missing = tmp_path / "nowhere"
    root = missing if source == "--data-root" else None
    monkeypatch.setenv("TUTELAGE_DATA", str(missing if root is None else tmp_path))
    with pytest.raises(UserError) as caught:
        sources.read("cifar10", root, train=True)
    assert caught.value.message == f"the data folder {missing} ({source}) does not exist"


def test_the_default_folder_is_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.folder(None) == tmp_path / ".cache" / "tutelage" / "data"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError) as caught:
        sources.read("cifar", None, train=True)
    assert caught.value.message == 'unknown data set "cifar"'
    assert 'did you mean "cifar10" or "cifar100"?' in caught.value.hint


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
            monkeypatch.setitem(sources._FASHION, f"FashionMNIST/raw/{name}", hashlib.md5(data).hexdigest())
    monkeypatch.setattr(sources, "DEBIAN", debian)
    root = tmp_path / "data"
    root.mkdir()
    return root, debian, content


def test_debians_files_are_unpacked_once(fashion):
    root, debian, content = fashion
    images, labels, classes = sources.read("fashion_mnist", root, train=True)
    assert np.array_equal(images[:, 0].numpy(), content["train"])
    assert labels.tolist() == [0, 1, 2]
    assert labels.dtype == torch.int64
    assert classes[0] == "T-shirt/top"
    for file in debian.iterdir():
        file.unlink()
    assert np.array_equal(sources.read("fashion_mnist", root, train=False)[0][:, 0].numpy(), content["t10k"])


def test_a_corrupt_unpacked_file_is_named(fashion):
    """torchvision does not look into these."""
    root, _, _ = fashion
    sources.read("fashion_mnist", root, train=True)
    path = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="train-images-idx3-ubyte is corrupt"):
        sources.read("fashion_mnist", root, train=True)


def test_missing_fashion_mnist_names_files_folder_and_debian(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "not installed")
    with pytest.raises(UserError) as caught:
        sources.read("fashion_mnist", tmp_path, train=True)
    for file in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        assert f"FashionMNIST/raw/{file}" in caught.value.message
    assert "FashionMNIST/raw/" in caught.value.hint
    assert "dataset-fashion-mnist" in caught.value.hint


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    digits = load_digits()
    scale = {tuple(image.astype(int).flatten().tolist()): label for image, label in zip(digits.images, digits.target)}
    found = {}
    for train in (True, False):
        images, labels, classes = sources.read("digits", None, train=train)
        assert classes == tuple("0123456789")
        assert len(images) == (DATASETS["digits"].train if train else DATASETS["digits"].test)
        sixteenths = (images.double() / 255 * 16).round().long()
        assert ((images.double() / 255 * 16) - sixteenths).abs().max() <= 16 / 255 / 2
        for image, label in zip(sixteenths.flatten(1).tolist(), labels.tolist()):
            found[tuple(image)] = label
    assert found == scale


def test_digits_become_bytes_by_rounding():
    images, _, _ = sources.read("digits", None, train=True)
    assert images.unique().tolist() == [round(v * 255 / 16 + 1e-9) for v in range(17)]
