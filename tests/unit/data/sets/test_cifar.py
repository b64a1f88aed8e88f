"""CIFAR's files: small ones of the real format; what is said when they are not right."""

import hashlib
import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets.cifar
from torchvision.datasets import CIFAR10, CIFAR100

from tutelage.data import sources, turnstile
from tutelage.errors import UserError

RNG = np.random.default_rng(0)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def read_test(name, root):
    with turnstile.passing("a test"):
        return sources.read_test(name, root)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", offline)


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
    images, labels, classes = sources.read("cifar10", root / "cifar-10-batches-py" if inside else root)
    assert labels.tolist() == [1, 8, 2, 7, 3, 6, 4, 5, 5, 4]
    assert classes == tuple(f"kind {i}" for i in range(10))
    assert images.shape == (10, 3, 32, 32)
    row = rows["data_batch_2"][1]
    for channel, y, x in [(0, 0, 0), (1, 5, 30), (2, 31, 31)]:
        assert images[3, channel, y, x] == row[channel * 1024 + y * 32 + x]
    images, labels, _ = read_test("cifar10", root)
    assert labels.tolist() == [7, 0]
    assert np.array_equal(images.numpy().reshape(2, -1), rows["test_batch"])


def test_the_environment_names_the_folder(cifar10, monkeypatch):
    root, _ = cifar10
    monkeypatch.setenv("TUTELAGE_DATA", str(root))
    assert len(sources.read("cifar10", None)[1]) == 10


def test_a_corrupt_file_is_named(cifar10):
    root, _ = cifar10
    path = root / "cifar-10-batches-py" / "data_batch_3"
    expected = md5(path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        sources.read("cifar10", root)
    assert caught.value.message == f"{path} is corrupt: its MD5 is not {expected}"
    assert "delete it and run again" in caught.value.hint
    assert "cifar-10-python.tar.gz" in caught.value.hint


def test_missing_files_without_a_network_say_what_to_put_where(tmp_path):
    with pytest.raises(UserError) as caught:
        sources.read("cifar100", tmp_path)
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
    images, _, _ = read_test("cifar10", empty)
    assert np.array_equal(images.numpy().reshape(2, -1), rows["test_batch"])
