"""Writes the report of a study: one table on the terminal, one self-contained HTML file."""

from pathlib import Path


def write_report(folder: Path) -> Path:
    """Writes report.html from results.json."""
    from tutelage import files
    from tutelage.report.page import page

    path = Path(folder) / "report.html"
    with files.appearing(path) as beside:
        beside.write_text(page(files.read_json(Path(folder) / "results.json")), encoding="utf-8")
    return path
