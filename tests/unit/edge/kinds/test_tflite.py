"""Flat buffers of LiteRT, before any runtime sees them: what cannot be run here is said in words of ours."""

import pytest

from tutelage.edge.kinds import tflite
from tutelage.errors import UserError


def test_a_file_for_an_npu_is_told_from_one_for_this_machine(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"____TFL3" + b"\0" * 8 + b"ethos-u\0")
    with pytest.raises(UserError, match=r"a\.tflite is compiled for Arm's NPU, which alone can run it") as raised:
        tflite.open_file(path)
    assert "student-int8.tflite" in raised.value.hint
