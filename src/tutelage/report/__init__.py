"""The report of a study: one table on the terminal, one self-contained HTML file."""

from pathlib import Path


def write_report(folder: Path) -> Path:
    """Writes report.html from results.json."""
    from tutelage import files
    from tutelage.report.page import page
    from tutelage.run.record import kept

    path = Path(folder) / "report.html"
    with files.appearing(path) as beside:
        beside.write_text(page(kept(Path(folder), "results")), encoding="utf-8")
    return path
