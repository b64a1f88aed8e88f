"""Fetches data sets from addresses that fsspec understands: s3, gs, hf, http and others; once, file by file.

Each file appears whole under its own path below the cache: the names of folders are classes. fsspec's caching file
systems (filecache, simplecache) name files by a hash, or all in one folder, so that they know no classes. What was
fetched is then a folder or a tar file like any other, and is not looked for again.
"""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tutelage import files, progress
from tutelage.data.addresses import ADDRESS
from tutelage.data.tables import TABLES
from tutelage.errors import UserError
from tutelage.names import shown

AT_ONCE = 8
"""Files that are fetched at the same time."""
WHOLE = "fetched.json"
"""Beside what was fetched, once all of it is there."""
_INSTALL = 'pip install "tutelage[remote]" brings what s3, gs and http need; other addresses have packages of their own'


def fetched(address: str, cache: Path) -> Path:
    """What an address names, as a path here: fetched now where it is not there yet, or not all of it.

    Args:
        address: Of a folder, of a tar file, or of a table of path,label whose images lie in its folder.
        cache: Takes the files, below `remote`; removing that folder fetches them anew.

    Raises:
        UserError: the address holds a secret; a package is missing; nothing is there, or not all of it can be had;
            names that lead out of the folder; no room on the disk.
    """
    _refuse_secrets(address)
    folder, _, last = address.rstrip("/").rpartition("/")
    one, table = last.lower().endswith(".tar"), last.lower().endswith(tuple(TABLES))
    root = address if one or not table else folder
    name = _safe(unquote(root.rstrip("/").rpartition("/")[2]), address).name
    place = cache / "remote" / f"{name}-{hashlib.sha256(root.encode()).hexdigest()[:16]}"
    if not (place / WHOLE).exists():
        with files.locked(place / "lock", wait=True):
            if not (place / WHOLE).exists():
                _fetch(root, place / name, one=one)
                files.write_json(place / WHOLE, {"address": root})
    return place / name / unquote(last) if table else place / name


def _fetch(address: str, to: Path, *, one: bool) -> None:
    """Fetches what is missing of a file or of a folder; what is there was fetched whole."""
    system, path = _opened(address)
    try:
        wanted = {to: (path, system.info(path))} if one else _listed(system, path, address, to)
    except UserError:
        raise
    except FileNotFoundError:
        wanted = {}
    except Exception as error:  # each file system raises its own
        raise _failed(address, error, "look at the address, at your network and at your rights there") from None
    if not wanted:
        raise UserError(f"there are no files at {address}", "give the address of a folder, of a tar file or of a table")
    sizes = {file: about.get("size") for file, (_, about) in wanted.items()}
    for file in [found for found in to.rglob("*") if found.is_file() and found not in wanted]:
        file.unlink()  # of an attempt before the files there changed, or half of one
    missing = [file for file in wanted if not _is_there(file, sizes[file])]
    _ask_for_room(address, to, sum(sizes[file] or 0 for file in missing))
    pool, present = ThreadPoolExecutor(AT_ONCE), len(wanted) - len(missing)
    try:
        with progress.advancing(f"fetching {address}", len(wanted), "files", present) as advance:
            for _ in pool.map(lambda file: _copy(system, wanted[file][0], file, sizes[file]), missing):
                advance(1)
    except Exception as error:  # of a connection, a server, or the disk
        pool.shutdown(cancel_futures=True)
        present = sum(_is_there(file, size) for file, size in sizes.items())
        hint = f"the same command goes on: {present:,} of {len(wanted):,} files are in {to.parent}"
        raise _failed(address, error, hint) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(address)
    except ImportError as error:
        raise UserError(f"reading {address} needs a package: {error}", _INSTALL) from None
    except ValueError as error:
        raise UserError(
            f"cannot read {address}: {error}", "s3://, gs://, hf://datasets/ and https:// are known"
        ) from None
    except Exception as error:  # credentials, mostly
        raise _failed(address, error, "look at the address and at your credentials") from None


def _listed(system: Any, path: str, address: str, to: Path) -> dict[Path, tuple[str, dict[str, Any]]]:
    """The files below a folder, by where they go."""
    system.invalidate_cache()
    wanted: dict[Path, tuple[str, dict[str, Any]]] = {}
    above = path.rstrip("/") + "/"
    quoted = address.startswith(("http://", "https://"))
    # Not `find`: it leaves out what cannot be listed.
    every = (found for _, _, of_one in system.walk(above, detail=True, on_error="raise") for found in of_one.values())
    for about in every:
        name = about["name"]
        relative = name.removeprefix(above).removeprefix(above.lstrip("/"))
        wanted[to / _safe(unquote(relative) if quoted else relative, address)] = name, about
    return wanted


def _copy(system: Any, name: str, file: Path, size: int | None) -> None:
    with files.appearing(file) as beside:
        system.get_file(name, str(beside))
        if size is not None and beside.stat().st_size != size:
            raise OSError(f"{shown(file.name)} has {beside.stat().st_size:,} bytes of {size:,}")


def _is_there(file: Path, size: int | None) -> bool:
    return file.is_file() and size in (None, file.stat().st_size)


def _safe(name: str, address: str) -> Path:
    """A name as a path that stays where it is put, on every system.

    Raises:
        UserError: it leads elsewhere.
    """
    if not name or re.search(r"[\\\0]|(^|/)(\.{0,2})(/|$)|^[A-Za-z]:", name):
        raise UserError(
            f"{address} has a file {shown(name)!r}, a name that leads elsewhere", "give it another name there"
        )
    return Path(name)


def _refuse_secrets(address: str) -> None:
    """An address is written into recipes and reports, which others see."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UserError(f"{shown(address)} is no address: {error}", f"write PROTOCOL{ADDRESS}PLACE/FOLDER") from None
    web = parts.scheme in ("http", "https", "ftp")
    if parts.password is not None or (web and (parts.username is not None or parts.query)):
        raise UserError(
            f"the address at {parts.scheme}{ADDRESS}{parts.hostname} holds a name, a password or a query: secrets?",
            "recipes and reports show addresses: give credentials as fsspec reads them "
            "(environment, configuration files), or fetch the files yourself and name their folder",
        )


def _ask_for_room(address: str, to: Path, needed: int) -> None:
    free, place = files.room(to)
    if needed > free:
        raise UserError(
            f"{address} takes {progress.size(needed)}, and {progress.size(free)} are free in {place}",
            "let TUTELAGE_CACHE name a folder with space",
        )


def _failed(address: str, error: Exception, hint: str) -> UserError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(f"cannot fetch {address}: {type(error).__name__}: {reason}", hint)
