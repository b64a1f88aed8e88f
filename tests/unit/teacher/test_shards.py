"""One file of a teacher's answers: written once, refused where it is not what was written."""

import numpy as np
import pytest

from tutelage.errors import UserError
from tutelage.teacher.shards import Shard, load, write

SHARD = Shard("logits", 3, 8192)
ROWS = np.arange(12, dtype=np.float16).reshape(4, 3)


def test_a_shard_says_where_it_lies():
    assert SHARD.path == "view_0003/logits_00008192.npy"


def test_what_is_written_is_what_is_mapped(tmp_path):
    write(tmp_path, SHARD, ROWS)
    rows = load(tmp_path / SHARD.path)
    assert np.array_equal(rows, ROWS)
    assert rows.dtype == np.float16
    assert type(rows) is np.ndarray
    assert not rows.flags.writeable


def test_the_first_writers_shard_stands(tmp_path):
    write(tmp_path, SHARD, ROWS)
    write(tmp_path, SHARD, ROWS + 1)
    assert np.array_equal(load(tmp_path / SHARD.path), ROWS)


@pytest.mark.parametrize("damage", ["flipped", "cut", "no checksum", "another's checksum"])
def test_a_shard_that_is_not_the_one_written_is_refused(tmp_path, damage):
    write(tmp_path, SHARD, ROWS)
    path = tmp_path / SHARD.path
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-4])
    else:
        (sidecar,) = [file for file in path.parent.iterdir() if file != path]
        sidecar.unlink() if damage == "no checksum" else sidecar.write_text("0" * 64 + "\n")
    with pytest.raises(UserError, match="is damaged"):
        load(path)


def test_nothing_half_written_is_left(tmp_path):
    write(tmp_path, SHARD, ROWS)
    assert not [file for file in tmp_path.rglob("*") if file.suffix == ".tmp"]
