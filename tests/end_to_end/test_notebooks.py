"""Every notebook runs from its first cell to its last, in the folder of the others, and shows what people can read."""

import os
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "examples" / "notebooks").glob("*.ipynb"))
COLUMNS = 102
"""JupyterLab cuts what is longer in a window of 1,000 pixels."""
WARNED = {"tutorial": ["UserWarning: reduction: 'mean'"]}
"""What a notebook shows on purpose: PyTorch's own word on a mistake."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebooks_run(notebook, folder, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="pip install 'tutelage[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install 'tutelage[dev]'")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    read = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") for cell in read.cells), "notebooks are kept without what they printed"
    code = [line for cell in read.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    assert [line for line in code if len(line) > COLUMNS] == []
    nbclient.NotebookClient(read, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in read.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "error:" not in printed
    assert not any(code in printed for code in ("\x1b[?25l", "\x1b[2K", "\x1b[1A")), "a cell has no cursor to move"
    red = [output.text for output in outputs if output.get("name") == "stderr" and "IProgress" not in output.text]
    expected = WARNED.get(notebook.stem, [])
    assert len(red) == len(expected)
    assert all(words in text for words, text in zip(expected, red))
