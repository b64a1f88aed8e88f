"""The table of a study, compiled by LaTeX as a paper would: nothing is refused, missing or wider than the page."""

import shutil
import subprocess

import pytest

import studies
from tutelage.report.records import of_study
from tutelage.report.takeaway import as_latex, take

LATEX = shutil.which("pdflatex")
FOUND = (
    LATEX
    and shutil.which("kpsewhich")
    and subprocess.run(["kpsewhich", "booktabs.sty"], stdout=subprocess.DEVNULL).returncode == 0
)
pytestmark = pytest.mark.skipif(not FOUND, reason="apt-get install texlive-latex-recommended")
PAPER = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\begin{table}\input{table}\end{table}
\end{document}
"""


def compiled(table: str, folder) -> str:
    """What LaTeX says of a table that a paper inputs."""
    (folder / "table.tex").write_text(table, encoding="utf-8")
    (folder / "paper.tex").write_text(PAPER)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF")
    return (folder / "paper.log").read_text(errors="replace")


def test_a_study_is_a_table_of_a_paper(tmp_path, capsys):
    gains = {"kd": studies.GAIN, "dkd": studies.LOSS, "nst": studies.NEITHER, "at": studies.TOO_FEW}
    take(of_study(studies.study(gains=gains)), "latex", None)
    log = compiled(capsys.readouterr().out, tmp_path)
    assert "Overfull" not in log
    assert "Missing character" not in log


def test_names_do_nothing(tmp_path):
    """Nothing that stands in a name is a command, a length or the end of a row."""
    names = [*map(chr, range(32, 127)), "[3cm] a", "* b", "\\input{/etc/passwd}", "}{", "%", "é ß µ"]
    log = compiled(as_latex([{"a_name": name, "a_number": -1e-9} for name in names]), tmp_path)
    assert "Missing character" not in log
