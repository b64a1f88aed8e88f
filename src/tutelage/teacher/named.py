"""Tells the files of a teacher's answers by their names. Imports no torch."""

import re
from pathlib import PurePath

_NAMES = re.compile(r"manifest\.json|(head|probe)\.safetensors|view_\d{4,}/[a-z]+_\d{8,}\.(npy|sha256)")


def is_answer(path: PurePath) -> bool:
    """Whether a file, named from the folder of a cache, is one that `TeacherCache` writes; locks and notes are not."""
    return bool(_NAMES.fullmatch(path.as_posix()))
