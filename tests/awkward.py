"""Awkward inputs of several kinds: small pictures in folders, and what a command says of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.cli import main


def picture(path: Path, number: int = 0, kind: str = "") -> Path:
    """A picture of noise that no other looks like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([number, *path.as_posix().encode()]).integers(0, 256, (9, 9, 3), np.uint8)
    Image.fromarray(noise).save(path, kind or ("JPEG" if path.suffix.lower().startswith(".j") else "PNG"))
    return path


def folder(root: Path, *names: str, images: int = 10, ending: str = ".png") -> Path:
    """Folders of pictures."""
    for name in names:
        for number in range(images):
            picture(root / name / f"{number:02d}{ending}", number)
    return root


def said(words: list[str], where: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints on both streams; it ends with 0 or, in a sentence, with 2."""
    monkeypatch.chdir(where)
    monkeypatch.setenv("COLUMNS", "200")
    code = 0
    try:
        main(words)
    except SystemExit as stopped:
        code = stopped.code or 0
    out, err = capfd.readouterr()
    assert code in (0, 2), err
    assert (code == 2) == ("error: " in err)
    return os.linesep.join((out, err))
