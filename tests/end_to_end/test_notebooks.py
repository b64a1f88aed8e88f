"""Every notebook runs from its first cell to its last, in a folder of its own."""

import os
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_run(notebook, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="pip install 'tutelage[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install 'tutelage[dev]'")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    read = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") for cell in read.cells), "notebooks are kept without what they printed"
    client = nbclient.NotebookClient(read, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = "".join(output.get("text", "") for cell in read.cells for output in cell.get("outputs", []))
    assert "error:" not in printed
