"""Takes the folders of this machine out of files for others; one that cannot be cleaned is named."""

import io
import json
import os
import re
import shlex
import struct
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tutelage import sealed
from tutelage.errors import UserError

HEADER = 8
"""Bytes at the beginning of a .safetensors file that say how long its JSON header is."""
SHORT = 4
"""Letters of a name that stands in any large file by chance."""
HASHED = (".safetensors", ".onnx")
"""Files whose hash the other files say, in the order in which they say it of each other."""
PATHS = ("name", "weights", "unlabeled", "data")
"""Fields that hold a path, or a name that stands for itself."""
_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:[/\\]")
_SOURCE = re.compile(r"[a-z-]{2,}:(?!//)")
"""A library or the hub before a name: timm:hf-hub:OWNER/NAME is no path, s3://BUCKET/FOLDER is one."""


def local_folders(run: Path) -> list[str]:
    """The folders that must not leave this machine, as they are written and as they are: home, here, those of Python,
    data, weights, caches, runs and temporary files, and those that the run's own command line names.
    """
    named = [os.environ.get(name, "") for name in ("TUTELAGE_DATA", "TUTELAGE_WEIGHTS", "TUTELAGE_CACHE")]
    environment = sealed.read_json(run / "environment.json") if (run / "environment.json").is_file() else {}
    try:
        words = shlex.split(environment.get("command", ""))
    except ValueError:
        words = []
    named += [value for word in words for value in word.split("=") if value.startswith("/")]
    paths = [
        Path.home(),
        Path.cwd(),
        Path(sys.prefix),
        run,
        run.parent,
        Path(tempfile.gettempdir()),
        *(Path(path) for path in named if path),
    ]
    ways = {way for path in paths for way in (path.expanduser().absolute(), path.expanduser().resolve())}
    return sorted((str(path) for path in ways if len(path.parts) > 1), key=lambda path: (-len(path), path))


def scrubbed(paths: list[Path], folders: list[str]) -> dict[str, bytes]:
    """The contents of some files of a run, by name, without these folders: of a path below one its last part is left.

    Weights and ONNX files whose metadata change have another hash; where the others say it they say the new one. JSON
    objects leave without their seals, which would not fit what was rewritten.

    Args:
        paths: Files of one folder.
        folders: Absolute; the longest first.

    Raises:
        UserError: a file still holds one of the folders.
    """
    pattern = _below(folders)
    hashes: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    for path in sorted(paths, key=lambda path: HASHED.index(path.suffix) if path.suffix in HASHED else len(HASHED)):
        before = path.read_bytes()
        after = _scrub(path, before, pattern, hashes)
        if path.suffix in HASHED and after != before:
            hashes[sha256(before).hexdigest()] = sha256(after).hexdigest()
        if (folder := _held(after, folders)) is not None:
            raise UserError(
                f"{path} holds the name of a folder of this machine, {folder}: nothing is uploaded",
                f"tutelage export {path.parent} writes it anew, without",
            )
        contents[path.name] = after
    return {path.name: contents[path.name] for path in paths}


def _scrub(path: Path, content: bytes, pattern: re.Pattern[str], hashes: dict[str, str]) -> bytes:
    if path.suffix == ".json":
        value = _values(sealed.read_json(path), pattern, hashes)
        return (json.dumps(value, indent=2) + "\n").encode()
    if path.suffix == ".safetensors":
        return _safetensors(content, pattern)
    if path.suffix == ".onnx":
        return _onnx(content, pattern, hashes)
    if path.suffix == ".md":
        return _plain(content.decode("utf-8"), pattern, hashes).encode()
    return content


def _safetensors(content: bytes, pattern: re.Pattern[str]) -> bytes:
    """The same tensors; the header is rewritten where its metadata hold a folder."""
    (length,) = struct.unpack("<Q", content[:HEADER])
    header = json.loads(content[HEADER : HEADER + length])
    scrubbed_texts = {name: _nested(text, pattern, {}) for name, text in header.get("__metadata__", {}).items()}
    if scrubbed_texts == header.get("__metadata__", {}):
        return content
    text = json.dumps(header | {"__metadata__": scrubbed_texts}, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % HEADER)  # tensors begin at a multiple of eight
    return struct.pack("<Q", len(text)) + text + content[HEADER + length :]


def _onnx(content: bytes, pattern: re.Pattern[str], hashes: dict[str, str]) -> bytes:
    """The same graph; metadata and remarks are rewritten where they hold a folder or a hash that changed."""
    import onnx

    model = onnx.load_model_from_string(content)
    changed = False
    parts: list[Any] = [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input]
    for part in (*parts, *model.graph.output, *model.graph.value_info, *model.functions):
        if part.doc_string != (clean := _plain(part.doc_string, pattern, hashes)):
            part.doc_string, changed = clean, True
        for prop in part.metadata_props:
            if prop.value != (clean := _nested(prop.value, pattern, hashes)):
                prop.value, changed = clean, True
    return model.SerializeToString() if changed else content


def _nested(text: str, pattern: re.Pattern[str], hashes: dict[str, str]) -> str:
    """A text that may be JSON: a folder in it may be written with escapes."""
    try:
        value = json.loads(text)
    except ValueError:
        return _plain(text, pattern, hashes)
    clean = _values(value, pattern, hashes)
    return text if clean == value else json.dumps(clean, sort_keys=True)


def _values(value: Any, pattern: re.Pattern[str], hashes: dict[str, str], field: str = "") -> Any:
    """A JSON value; a field whose whole text is a path keeps its last part. Names of classes may look like paths."""
    if isinstance(value, dict):
        return {name: _values(item, pattern, hashes, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_values(item, pattern, hashes, field) for item in value]
    if not isinstance(value, str):
        return value
    is_path = field != "classes" and (_ABSOLUTE.match(value) or (field in PATHS and not _SOURCE.match(value)))
    return _plain(_last(value) if is_path else value, pattern, hashes)


def _plain(text: str, pattern: re.Pattern[str], hashes: dict[str, str]) -> str:
    text = pattern.sub(lambda found: _last(found[1]), text)
    for before, after in hashes.items():
        text = text.replace(before, after)
    return text


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _below(folders: list[str]) -> re.Pattern[str]:
    """One of the folders, and as a group what follows it in a path."""
    one_of = "|".join(map(re.escape, folders))
    return re.compile(rf"(?<![\w.-])(?:{one_of})(?![\w-])([^\s\"'`,;:()<>|]*)")


def _held(content: bytes, folders: list[str]) -> str | None:
    """A folder whose name stands in a file, or in a part of an archive."""
    parts = [content]
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    for folder in folders:
        looked_for = re.compile(re.escape(os.fsencode(folder)) + rb"(?![\w-])")
        if len(folder) > SHORT and any(looked_for.search(part) for part in parts):
            return folder
    return None
