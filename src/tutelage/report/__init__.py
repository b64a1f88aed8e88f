"""Writes the report of a study: one table on the terminal, one self-contained HTML file."""

from pathlib import Path

FILE = "report.html"
"""In a study's folder."""


def write_report(folder: Path) -> Path:
    """Writes report.html from results.json.

    Raises:
        UserError: there are no results, or results that this version does not read.
    """
    from tutelage import files
    from tutelage.report import results
    from tutelage.report.page import page

    path = Path(folder) / FILE
    html = page(results.read(Path(folder)))
    with files.appearing(path) as beside:
        beside.write_text(html, encoding="utf-8")
    return path
