"""The documentation site in headless Chromium, served from this machine, with every other address closed.

python tests/site_in_a_browser.py SITE FOLDER [PAGE ...] writes every page in two widths, light and dark.
"""

import itertools
import shutil
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from browsing import FLAGS, Silent

WIDTHS = {"desktop": 1280, "phone": 390}


@contextmanager
def browsed(site: Path, width: int, scheme: str = "light") -> Generator[tuple[Any, str]]:
    """A page of a browser and the address of the site's first page."""
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.route(lambda url: not url.startswith((address, "blob:")), lambda route: route.abort())
            yield page, address
            browser.close()
    finally:
        server.shutdown()
        server.server_close()


def pages(site: Path) -> list[str]:
    """The addresses of all pages, relative to the site."""
    return sorted(file.parent.relative_to(site).as_posix() for file in site.rglob("index.html"))


if __name__ == "__main__":
    site, folder, *chosen = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for (name, width), scheme in itertools.product(WIDTHS.items(), ("light", "dark")):
        with browsed(Path(site), width, scheme) as (page, address):
            for path in chosen or pages(Path(site)):
                page.goto(f"{address}{path}/")
                file = f"{path.replace('/', '-')}-{name}-{scheme}.png".replace(".-", "index-")
                page.screenshot(path=Path(folder) / file, full_page=True)
