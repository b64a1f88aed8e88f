"""A small server that answers as the Hugging Face hub does, for what `push` sends and `pull` fetches."""

import base64
import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest import mock

TOKEN = "hf_this-is-secret"
COMMIT = "c0ffee" * 6 + "c0ff"


@contextmanager
def serving() -> Generator[type]:
    """A hub, at which $HF_ENDPOINT points. `got` holds its files by name, whatever the repository is called.

    `status` is what a commit is answered with.
    """

    class Hub(BaseHTTPRequestHandler):
        got: dict[str, bytes] = {}
        kinds: set[str] = set()
        status = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            url, status = f"http://{self.headers['Host']}/ann/student", 200
            if "/preupload/" in self.path:
                paths = [file["path"] for file in json.loads(body)["files"]]
                told = {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
            elif "/commit/" in self.path:
                self.kinds.add(self.path.split("/")[2])
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        self.got[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                told = {"success": True, "commitOid": "c0ffee", "commitUrl": f"{url}/commit/c0ffee"}
                status = self.status
            else:
                told = {"url": url, "name": "ann/student", "id": "ann/student"}
            self._answer(status, json.dumps(told).encode())

        def do_GET(self):
            path = self.path.partition("?")[0]
            if "/tree/" in path and self.got:
                listed = [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in self.got.items()
                ]
                self._answer(200, json.dumps(listed).encode())
            elif "/resolve/" in path:
                self._answer(200, self._asked(path))
            else:
                self._answer(404, b"{}")

        def do_HEAD(self):
            self._answer(200, self._asked(self.path), body=False)

        def _asked(self, path):
            return self.got[path.split("/resolve/")[1].partition("/")[2]]

        def _answer(self, status, content, *, body=True):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_TOKEN": TOKEN}
    try:
        with mock.patch.dict("os.environ", here):
            yield Hub
    finally:
        server.shutdown()
        server.server_close()
