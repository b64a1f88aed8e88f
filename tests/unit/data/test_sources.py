"""Where data sets are looked for, which there are, and who may read their test images."""

import pytest

from tutelage.data import DATASETS, sources
from tutelage.errors import UserError


@pytest.mark.parametrize("source", ["--data-root", "TUTELAGE_DATA"])
def test_a_missing_folder_is_named(tmp_path, monkeypatch, source):
    missing = tmp_path / "nowhere"
    root = missing if source == "--data-root" else None
    monkeypatch.setenv("TUTELAGE_DATA", str(missing if root is None else tmp_path))
    with pytest.raises(UserError) as caught:
        sources.read("cifar10", root)
    assert caught.value.message == f"the data folder {missing} ({source}) does not exist"


def test_the_default_folder_is_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.folder(None) == tmp_path / ".cache" / "tutelage" / "data"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError) as caught:
        sources.read("cifar", None)
    assert caught.value.message == 'unknown data set "cifar"'
    assert 'did you mean "cifar10" or "cifar100"?' in caught.value.hint


@pytest.mark.parametrize("name", DATASETS)
def test_every_reader_refuses_test_images_to_all_but_the_door(name):
    for read in (lambda: sources.read_test(name, None), lambda: sources._reader(name)(None, train=False)):
        with pytest.raises(UserError, match=f"the reader of {name} was asked for test images"):
            read()
