"""What several tests read of report.html."""

from html.parser import HTMLParser

SECTIONS = ["results", "gains", "learning", "size", "calibration", "classes", "cost", "openings", "recipes"]
SECTIONS += ["reproduce"]
"""In the page's order."""


class Reader(HTMLParser):
    """Every tag with its attributes, and the text outside of style and script."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self._open):
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)
