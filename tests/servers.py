"""A web server on the loopback address that hands out a folder, and can be made to fail."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple


class Served(NamedTuple):
    """A folder at an address."""

    url: str
    got: list[str]
    """The paths of files that were handed out."""
    broken: set[str]
    """Names of files of which the connection ends in the middle."""
    forbidden: set[str]
    """Names of folders that are not listed."""


@contextmanager
def serving(folder: Path) -> Generator[Served]:
    """Hands out a folder, with listings of the folders in it, until the block ends."""
    got, broken, forbidden = [], set(), set()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def list_directory(self, path):
            return self.send_error(403) if Path(path).name in forbidden else super().list_directory(path)

        def copyfile(self, source, outputfile):
            content = source.read()
            half = Path(self.path).name in broken
            outputfile.write(content[: len(content) // 2] if half else content)
            if half:
                self.close_connection = True
            elif not self.path.endswith("/"):
                got.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}", got, broken, forbidden)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
