"""The browser example in headless Chromium, served from this machine, with every other address closed.

python tests/browsing.py RUN SCREENSHOT.png PICTURE ...
"""

import shutil
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "examples" / "deploy" / "browser"
RUNTIME = PAGE / "node_modules" / "onnxruntime-web"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Silent(SimpleHTTPRequestHandler):
    """Serves without a log."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def opened(files: list[Path], folder: Path) -> Generator[Any]:
    """The example's page in a browser, with these files beside it.

    Args:
        files: student.onnx and card.json.
        folder: Empty; takes copies.
    """
    from playwright.sync_api import sync_playwright

    for path in (PAGE / "index.html", PAGE / "student.js", PAGE / "pixels.js", *files):
        shutil.copy(path, folder)
    (folder / "node_modules").symlink_to(PAGE / "node_modules")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1000, "height": 760}, color_scheme="light")
            page.route(lambda url: not url.startswith((address, "blob:")), lambda route: route.abort())
            page.goto(address)
            yield page
            browser.close()
    finally:
        server.shutdown()
        server.server_close()


def answers(page: Any, pictures: list[Path]) -> list[list[tuple[str, float]]]:
    """For each picture the names and probabilities that the page shows; an error as its text and 0."""
    page.wait_for_selector("body[data-ready]")
    page.set_input_files("#pictures", [str(path) for path in pictures])
    page.wait_for_function(f"document.querySelectorAll('figcaption').length == {len(pictures)}")
    found = []
    for figure in page.query_selector_all("figure"):
        rows = [
            [cell.inner_text() for cell in row.query_selector_all("span")] for row in figure.query_selector_all(".row")
        ]
        error = figure.query_selector(".error")
        found.append([(error.inner_text(), 0.0)] if error else [(n, float(p.split()[0]) / 100) for n, p in rows])
    return found


if __name__ == "__main__":
    import tempfile

    run, screenshot, *shown = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as made, opened([run / "student.onnx", run / "card.json"], Path(made)) as page:
        print(answers(page, shown))
        page.screenshot(path=screenshot)
