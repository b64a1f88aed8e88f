"""Writes files that appear whole or not at all, and names them by what they hold.

Every write goes beside its target, is fsynced, and is renamed; the folder is fsynced after.
"""

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

from tutelage.errors import Damaged

DAY_S = 24 * 3600
"""After so many seconds a file that another machine has left half-written is removed."""


@contextmanager
def appearing(path: Path) -> Generator[Path]:
    """A temporary path beside `path`; what was written there takes the name `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(_unfinished(path.name))
    try:
        yield beside
        with beside.open("r+b") as written:  # Windows flushes only what may be written
            os.fsync(written.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def appearing_folder(path: Path) -> Generator[Path]:
    """The same for a whole folder of files; `path` must not exist yet."""
    beside = path.with_name(_unfinished(path.name))
    beside.mkdir(parents=True)
    try:
        yield beside
        for part in (beside, *beside.rglob("*")):
            sync_folder(part)  # a file is synced the same way
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        if beside.exists():
            remove_folder(beside)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut; Windows cannot open a folder, and keeps its names by itself."""
    if os.name == "nt" and folder.is_dir():
        return
    handle = os.open(folder, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """Removes a folder of plain files and folders; its name goes first, so that no half of it is ever seen."""
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.gone")
    folder.replace(aside)
    for path in sorted(aside.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    aside.rmdir()


def sweep(folder: Path, pattern: str = "**/.*") -> None:
    """Removes what a killed process left half-written or half-removed; what a living one writes stays.

    Args:
        folder: Where.
        pattern: Which names in it are looked at.
    """
    for path in sorted(folder.glob(pattern)):
        if path.suffix in (".tmp", ".gone") and path.exists() and not _writer_lives(path):
            with suppress(FileNotFoundError):  # another process sweeps too
                remove_folder(path) if path.is_dir() else path.unlink()


def _unfinished(name: str) -> str:
    """A temporary name, which says on which machine and by which process it is written."""
    return f".{name}.{os.getpid()}-{_machine()}{secrets.token_hex(4)}.tmp"


def _machine() -> str:
    """Eight hexadecimal digits for this machine or container: a folder may be shared by several."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _writer_lives(path: Path) -> bool:
    """Whether the process whose number is in a temporary name is there, as far as this system says.

    Of one on another machine nothing is known: it has a day.
    """
    number = re.search(r"\.(\d+)-([0-9a-f]{8})?[0-9a-f]{8}\.tmp$", path.name)
    if number is None:
        return False
    if number[2] not in (None, _machine()):
        return time.time() - path.stat().st_mtime < DAY_S
    if os.name != "posix":  # elsewhere a signal 0 ends a process
        return False
    try:
        os.kill(int(number[1]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def cache_folder() -> Path:
    """$TUTELAGE_CACHE, else ~/.cache/tutelage/photos: indices, decoded images, sets of the hub, lists of networks."""
    return Path(os.environ.get("TUTELAGE_CACHE") or Path.home() / ".cache" / "tutelage" / "photos")


def room(path: Path) -> tuple[int, Path]:
    """Bytes that are free where a path will be, and the folder that is there already."""
    existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free, existing


def write_json(path: Path, value: Any) -> None:
    """Indented JSON; NaN and infinity are refused."""
    with appearing(path) as beside:
        beside.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def without_folders(value: Any) -> Any:
    """A JSON value for others: of absolute paths in it only their last part, which says nothing of this machine.

    >>> without_folders({"weights": ["/home/ann/teacher.pth", "runs/a", 1]})
    {'weights': ['teacher.pth', 'runs/a', 1]}
    """
    if isinstance(value, dict):
        return {name: without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return PurePath(value).name if isinstance(value, str) and value.startswith(("/", "~")) else value


def append_line(path: Path, value: Any) -> None:
    """Appends one JSON object as a line: see `append_lines`."""
    append_lines(path, [value])


def append_lines(path: Path, values: list[Any]) -> None:
    """Appends JSON objects as lines, whole even when several processes append, and on disk when it returns."""
    line = "".join(json.dumps(value, allow_nan=False) + "\n" for value in values)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        _lock(file.fileno())
        _end_line(file)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def _lock(descriptor: int) -> None:
    """Waits until an open file is this process's alone, until it is closed.

    Where the system has no such call, a line is whole because it is appended in one write.
    """
    from filelock import lock_descriptor

    try:
        lock_descriptor(descriptor)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise


def _end_line(file: Any) -> None:
    """Cuts off a last line that a crash left without its end."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(0)
    content = file.read()
    if not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines; a last line that a crash cut short is left out.

    Raises:
        Damaged: another line is no JSON object.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    try:
        found: list[Any] = [json.loads(line) for line in lines[:-1] if line]
    except ValueError:
        found = [None]
    if not all(isinstance(value, dict) for value in found):
        raise Damaged.of(path, "a line of it is no JSON object")
    return found


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hexadecimal.

    Args:
        value: Of an iterator, itself or in a list, the items are written as a list that is never in memory as a whole.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    >>> digest([1, iter("ab")]) == digest([1, ["a", "b"]])
    True
    """
    sha = hashlib.sha256()
    for text in _canonical(value):
        sha.update(text.encode())
    return sha.hexdigest()


def _canonical(value: Any) -> Iterator[str]:
    if not (isinstance(value, Iterator) or (isinstance(value, list) and any(isinstance(v, Iterator) for v in value))):
        yield json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return
    yield "["
    comma = ""
    if isinstance(value, Iterator):
        while part := list(islice(value, 4096)):
            yield comma + json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False)[1:-1]
            comma = ","
    else:
        for item in value:
            yield comma
            yield from _canonical(item)
            comma = ","
    yield "]"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, *, wait: bool | float = False) -> Generator[bool]:
    """True while this process alone holds the lock file; False where another holds it. A crash frees it.

    Args:
        path: The lock file; it stays.
        wait: Wait for the other to finish instead; a number: for so many seconds.

    Raises:
        OSError: the file system cannot lock (ENOLCK, EOPNOTSUPP), or the file cannot be made.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=bool(wait), timeout=-1 if isinstance(wait, bool) else wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
