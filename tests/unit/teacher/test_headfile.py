"""The teacher's last layer beside its answers."""

import logging

import pytest
import torch

import small
from tutelage.errors import Damaged
from tutelage.teacher import headfile


@pytest.fixture
def network():
    return small.network()


def test_the_layer_comes_back_and_is_written_once(network, tmp_path):
    assert headfile.read(tmp_path) is None
    headfile.write(tmp_path, network)
    head, own = headfile.read(tmp_path), network.sizes().head
    assert torch.equal(head.weight, own.weight)
    assert torch.equal(head.bias, own.bias)
    before = (tmp_path / headfile.HEAD_FILE).stat().st_ino
    headfile.write(tmp_path, network)
    assert (tmp_path / headfile.HEAD_FILE).stat().st_ino == before


def test_a_damaged_file_is_refused_and_written_again(network, tmp_path, caplog):
    headfile.write(tmp_path, network)
    path = tmp_path / headfile.HEAD_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged):
        headfile.read(tmp_path)
    with caplog.at_level(logging.WARNING):
        headfile.write(tmp_path, network)
    assert "it is written again" in caplog.text
    assert path.read_bytes() == whole


def test_a_teacher_without_such_a_layer_has_none(tmp_path):
    class Sizes:
        head = None

    class Teacher:
        def sizes(self):
            return Sizes

    headfile.write(tmp_path, Teacher())
    assert (tmp_path / headfile.HEAD_FILE).exists()
    assert headfile.read(tmp_path) is None
