"""Every file of examples/ runs as its first lines say, in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.py"))
OTHERS = ("lightning", "transformers")
"""Packages of other projects, which nobody needs who has no use for them."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_examples_run(example, tmp_path):
    for package in re.findall(rf"^(?:import|from) ({'|'.join(OTHERS)})\b", example.read_text(), re.MULTILINE):
        pytest.importorskip(package, reason=f"pip install {package}")
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
