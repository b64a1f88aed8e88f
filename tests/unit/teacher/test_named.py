"""Which files of a cache's folder are a teacher's answers."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from tutelage.teacher.named import is_answer


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "head.safetensors", "view_0003/logits_00008192.npy", "view_12345/embedding_00000000.sha256"],
)
def test_what_a_cache_writes(name):
    assert is_answer(PurePosixPath(name))
    assert is_answer(PureWindowsPath(name))


@pytest.mark.parametrize(
    "name", ["lock", "uses.jsonl", "view_0003/00000000.lock", "../manifest.json", "a/manifest.json", "view_0003/x.npy"]
)
def test_what_it_does_not(name):
    assert not is_answer(PurePosixPath(name))
