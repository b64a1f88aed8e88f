"""A Ray cluster of two nodes on this machine, for a test and for benchmarks/machines.py; ended by process ids."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

OBJECTS = 100_000_000
"""Bytes of shared memory a node; nothing of ours lies there."""


class Cluster(NamedTuple):
    """A cluster, by its address and the process of each node that all others of the node are children of."""

    address: str
    raylets: list[int]

    def kill(self, node: int) -> None:
        """Kills a node and all of its workers, as a power cut does."""
        raylet = self.raylets[node]
        for pid in [*_children(raylet), raylet]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def two_nodes(environment: dict[str, str]) -> Generator[Cluster]:
    """Two nodes of one core each.

    Args:
        environment: Of all processes of the cluster, and so of what runs there.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # a socket's path is short
    shared = ["--node-ip-address=127.0.0.1", "--num-cpus=1", f"--object-store-memory={OBJECTS}"]
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}"]
    raylets: list[int] = []
    try:
        for words in (head, [f"--address=127.0.0.1:{port}"]):
            ray = [str(Path(sys.executable).with_name("ray")), "start", "--disable-usage-stats"]
            env = environment | {"RAY_worker_niceness": "0"}  # else whatever the machine does besides comes first
            done = subprocess.run([*ray, *words, *shared], env=env, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
            raylets += [pid for pid in _of(folder, "raylet/raylet") if pid not in raylets]
        yield Cluster(f"127.0.0.1:{port}", raylets)
    finally:
        pids = _of(folder)
        for pid in [*(child for raylet in raylets for child in _children(raylet)), *pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _of(folder: Path, words: str = "") -> list[int]:
    """The processes of the cluster whose files are in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes().decode(errors="replace")
            if f"{folder}/" in line and words in line and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return sorted(found)


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found
