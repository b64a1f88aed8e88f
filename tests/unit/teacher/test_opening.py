"""Which cache holds a network's answers: found again, or begun where the network answers otherwise."""

import logging

import pytest
import torch

import small
from tutelage.teacher import opening
from tutelage.teacher.cachefiles import caches
from tutelage.teacher.identity import identity
from tutelage.teacher.opening import open_for

SHAPE = (1, 8, 8)


@pytest.fixture
def network():
    return small.network()


@pytest.fixture
def manifest(network):
    return identity(network, "convnet", small.digits(200).train, small.AUGMENT, "fp32", "float32")


def test_the_same_network_finds_its_cache_whatever_the_data_is_called(network, manifest, tmp_path):
    first = open_for(tmp_path, manifest | {"data": "here"}, network, SHAPE)
    assert (first.folder / opening.PROBE).exists()
    assert open_for(tmp_path, manifest | {"data": "there"}, network, SHAPE).folder == first.folder


def test_other_answers_under_the_same_identity_begin_another_cache(network, manifest, tmp_path, caplog):
    first = open_for(tmp_path, manifest, network, SHAPE)
    with torch.no_grad():
        next(network.parameters()).mul_(1.1)
    with caplog.at_level(logging.INFO):
        second = open_for(tmp_path, manifest, network, SHAPE)
    assert second.folder != first.folder
    assert "the same pictures were answered otherwise then" in caplog.text
    assert open_for(tmp_path, manifest, network, SHAPE).folder == second.folder


def test_what_was_set_aside_is_not_used_again_and_says_why(network, manifest, tmp_path, caplog):
    first = open_for(tmp_path, manifest, network, SHAPE)
    first.files.set_aside("a reason")
    with caplog.at_level(logging.INFO):
        assert open_for(tmp_path, manifest, network, SHAPE).folder != first.folder
    assert f"{first.folder} are not used again: a reason" in caplog.text


def test_damaged_answers_to_the_pictures_are_named_and_written_again(network, manifest, tmp_path, caplog):
    first = open_for(tmp_path, manifest, network, SHAPE)
    (first.folder / opening.PROBE).write_bytes(b"{")
    with caplog.at_level(logging.WARNING):
        assert open_for(tmp_path, manifest, network, SHAPE).folder == first.folder
    assert "it is written again" in caplog.text


def test_changed_code_is_said(network, manifest, tmp_path, caplog):
    def made(source):
        return manifest | {"teacher": manifest["teacher"] | {"made_by": {"source": source, "options": {}}}}

    first = open_for(tmp_path, made("one"), network, SHAPE)
    with caplog.at_level(logging.INFO):
        open_for(tmp_path, made("two"), network, SHAPE)
    assert f"convnet has changed since {first.folder.name} was filled (its code): it is asked anew" in caplog.text


def test_the_pictures_are_always_the_same_and_within_range():
    one = opening.pictures(SHAPE)
    assert torch.equal(one, opening.pictures(SHAPE))
    assert one.shape == (opening.PICTURES, *SHAPE)
    assert 0 <= one.min() < one.max() <= 1


def test_a_cache_with_a_damaged_manifest_is_named_and_left_out(network, manifest, tmp_path, caplog):
    whole = open_for(tmp_path, manifest, network, SHAPE)
    other = open_for(tmp_path, manifest | {"storage": "float16"}, network, SHAPE)
    (other.folder / "manifest.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [one.folder for one in caches(tmp_path)] == [whole.folder]
    assert str(other.folder) in caplog.text
