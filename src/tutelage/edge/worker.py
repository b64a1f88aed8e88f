"""Runs one file in a process whose memory and time are its own: `python -m tutelage.edge.worker FILE`.

It answers one JSON request a line: {"do": "latency", "runs": 100} with a list of milliseconds, {"do": "throughput",
"batch": 32, "seconds": 0.5} with images per second. The first line it prints, unasked, is its memory.
"""

import json
import platform
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tutelage.edge.runtimes import Infer, kind_of, open_file
from tutelage.errors import UserError

WARM_UP = 20


class Worker:
    """The other end: starts the process, asks, and ends it.

    Args:
        path: The file to be run.
        shape: Of one image: channels, height, width.

    Raises:
        UserError: it cannot be run; what the process said.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]):
        self.path = path
        words = [sys.executable, "-m", "tutelage.edge.worker", str(path), *map(str, shape)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.memory: dict[str, int | None] = self._answer()
        """`peak_bytes` of the process at batch 1, and `file_bytes`, its part that was not there before the file; None
        where the system does not tell."""

    def ask(self, do: str, **more: Any) -> Any:
        """What a request is answered with."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do} | more) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            lines = self._process.communicate()[1].strip().splitlines()
            raise UserError(
                f"{self.path} cannot be measured: {lines[-1] if lines else 'its process ended'}", "run it alone"
            )
        return json.loads(line)


def main(path: Path, shape: tuple[int, ...]) -> None:
    """Serves requests on stdin until it ends."""
    kind = kind_of(path)
    try:
        import_module(kind.module)
    except ModuleNotFoundError:
        raise UserError(f"needs {kind.package}, not installed here") from None
    before = _memory("VmRSS")
    infer = open_file(path).infer
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    for _ in range(WARM_UP):
        infer(image)
    peak = _memory("VmHWM")
    of_file = None if peak is None or before is None else max(0, peak - before)
    print(json.dumps({"peak_bytes": peak, "file_bytes": of_file}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer: Any
        if order["do"] == "latency":
            answer = _latency(infer, image, order["runs"])
        else:
            answer = _throughput(infer, np.repeat(image, order["batch"], 0), order["seconds"])
        print(json.dumps(answer), flush=True)


def _latency(infer: Infer, image: np.ndarray, runs: int) -> list[float]:
    """Milliseconds of each run at batch 1."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        infer(image)
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def _throughput(infer: Infer, images: np.ndarray, seconds: float) -> float:
    """Images a second; at least two batches, the first uncounted."""
    infer(images)
    begun, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begun < seconds:
        infer(images)
        done += len(images)
    return done / (time.perf_counter() - begun)


def _memory(name: str) -> int | None:
    """Bytes of this process: VmRSS (now) or VmHWM (the most so far); None on Windows.

    Not getrusage's ru_maxrss on Linux: a child inherits its parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), tuple(int(side) for side in sys.argv[2:5]))
    except UserError as error:
        sys.exit(error.message)
