"""Finds the images of a path: in folders, tables of paths, tar shards and saved data sets. Imports no torch."""

import csv
import importlib
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tutelage.data import huggingface
from tutelage.errors import UserError

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""How people name the folders of splits."""
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2")
"""Of image files; files of other endings are left out and counted."""
TABLES = (".csv", ".tsv", ".parquet")
COLUMNS = {
    "path": ("path", "file", "filename", "filepath", "file_name", "image"),
    "label": ("label", "class", "category"),
    "split": ("split",),
}
"""What the columns of a table may be called."""


class Place(NamedTuple):
    """Where one image is, and what is said about it."""

    file: str
    """Relative to the root, with forward slashes; or absolute."""
    split: str
    """"train", "val", "test", or empty where it is still to be assigned."""
    label: str
    """The name of its class; empty: none."""
    bytes: int
    """Of the file."""
    mtime: int
    """Of the file, nanoseconds."""
    offset: int = 0
    length: int = 0
    """Which bytes of the file: in a tar shard or an Arrow file; 0: all."""


class Listing(NamedTuple):
    """All places of a path."""

    root: Path
    places: list[Place]
    """In the order of split, class, file, offset."""
    left_out: Counter[str]
    """How many files of which ending are no images."""


def listing(path: Path, *, labelled: bool = True) -> Listing:
    """The images of a folder, a table or a tar file.

    Args:
        path: What the user named.
        labelled: False: any images anywhere below it, without labels.

    Raises:
        UserError: there is no such path, or it is not laid out in a known way.
    """
    if not path.exists():
        raise UserError(
            f"there is no {path}", "give a folder of images, a CSV file of path,label, a tar file or hf:OWNER/NAME"
        )
    left_out: Counter[str] = Counter()
    if path.is_dir() and huggingface.is_saved(path):
        root, found = path, list(_of_saved(path, left_out, labelled))
    elif path.is_dir():
        root = path
        found = list(_of_folder(path, left_out) if labelled else _images(path, path, "", "", left_out))
    elif path.suffix == ".tar":
        root, found = path.parent, list(_of_tar(path.parent, path, _split_of(path), left_out))
    elif path.suffix in TABLES:
        root, found = path.parent, list(_of_table(path))
    else:
        raise UserError(f"{path} is neither a folder nor one of {', '.join((*TABLES, '.tar'))}", "give one of these")
    if not found:
        raise UserError(f"there are no images in {path}", f"known endings: {' '.join(sorted(ENDINGS))}")
    return Listing(root, sorted(found, key=lambda p: (p.split, p.label, p.file, p.offset)), left_out)


def _of_folder(root: Path, left_out: Counter[str]) -> Iterator[Place]:
    folders = _folders(root)
    splits = {folder: SPLITS[folder.name.lower()] for folder in folders if folder.name.lower() in SPLITS}
    if "train" in splits.values():
        others = [folder.name for folder in folders if folder not in splits]
        if others:
            raise UserError(
                f"{root} has folders of splits ({', '.join(f.name for f in splits)}) beside others: {others[0]}",
                "give it train, val and test alone, or a folder for each class",
            )
        for folder, split in splits.items():
            yield from _of_split(root, folder, split, left_out)
    else:
        yield from _of_split(root, root, "", left_out)


def _of_split(root: Path, folder: Path, split: str, left_out: Counter[str]) -> Iterator[Place]:
    """A folder for each class, or tar shards."""
    classes = _folders(folder)
    shards = sorted(folder.glob("*.tar"))
    if shards and not classes:
        for shard in shards:
            yield from _of_tar(root, shard, split or _split_of(shard), left_out)
        return
    if not classes:
        raise UserError(
            f"{folder} has no folders in it",
            "put the images of each class into a folder of its name, or name a CSV file of path,label",
        )
    for label in classes:
        yield from _images(root, label, split, label.name, left_out)


def _images(root: Path, folder: Path, split: str, label: str, left_out: Counter[str]) -> Iterator[Place]:
    """The image files anywhere below a folder; links are followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    for here, inner, names in os.walk(folder, followlinks=True):
        about = os.stat(here)
        if (about.st_dev, about.st_ino) in seen:
            inner.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if ending in ENDINGS and not name.startswith("."):
                yield _place(root, Path(here, name).relative_to(root).as_posix(), split, label)
            elif not name.startswith("."):
                left_out[ending or name] += 1


def _of_tar(root: Path, shard: Path, split: str, left_out: Counter[str]) -> Iterator[Place]:
    """WebDataset's layout: KEY.jpg beside KEY.cls, which holds the class. Nothing is unpacked."""
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                key, ending = f"{folder}/{name.partition('.')[0]}", PurePosixPath(name).suffix.lower()
                if ending in ENDINGS:
                    images[key] = member
                elif ending == ".cls":
                    file = tar.extractfile(member)
                    labels[key] = file.read(1000).decode("utf-8", "replace").strip() if file else ""
                else:
                    left_out[ending] += 1
    except tarfile.TarError as error:
        raise UserError(f"{shard} is not a sound tar file: {error}", "uncompressed .tar is expected") from None
    about = _place(root, shard.relative_to(root).as_posix(), split, "")
    for key, member in images.items():
        if key not in labels:
            raise UserError(f"{shard}: {member.name} has no .cls beside it", "write its class into KEY.cls")
        yield about._replace(label=labels[key], offset=member.offset_data, length=member.size)


def _of_saved(root: Path, left_out: Counter[str], labelled: bool) -> Iterator[Place]:
    """What `datasets` has saved; of splits that are none of ours, a hub's data sets have some, the rows are counted."""
    of_file: dict[Path, Place] = {}
    for row in huggingface.rows(root, left_out, labelled=labelled):
        split = SPLITS.get(row.split.lower(), "")
        if row.split and not split and labelled:
            left_out[f'rows of the split "{row.split}"'] += 1
            continue
        if row.file not in of_file:
            of_file[row.file] = _place(root, row.file.relative_to(root).as_posix(), split, "")
        yield of_file[row.file]._replace(label=row.label, offset=row.offset, length=row.length)


def _of_table(table: Path) -> Iterator[Place]:
    rows = _rows_of_parquet(table) if table.suffix == ".parquet" else _rows_of_csv(table)
    named: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if number == 1:
            named = {kind: next((c for c in names if c in row), "") for kind, names in COLUMNS.items()}
            if not (named["path"] and named["label"]):
                raise UserError(
                    f"{table} has the columns {', '.join(map(str, row))}", "it needs path and label, and may have split"
                )
        split = str(row[named["split"]] or "").lower() if named["split"] else ""
        if split and split not in SPLITS:
            raise UserError(f'{table}, row {number}: the split "{split}"', "write train, val or test")
        file, label = (str(row[named[kind]] if row[named[kind]] is not None else "") for kind in ("path", "label"))
        if not file or not label:
            raise UserError(f"{table}, row {number}: no {'label' if file else 'path'}", "fill it in, or drop the row")
        yield _place(table.parent, file, SPLITS.get(split, ""), label)


def _rows_of_csv(table: Path) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t" if table.suffix == ".tsv" else ",")


def _rows_of_parquet(table: Path) -> Iterable[dict[str, object]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UserError(f"reading {table} needs pyarrow", 'pip install "tutelage[parquet]", or write a CSV') from None
    return parquet.read_table(table).to_pylist()


def _place(root: Path, file: str, split: str, label: str) -> Place:
    try:
        about = (root / file).stat()
    except OSError:
        return Place(file, split, label, -1, 0)  # listed as broken when it is read
    return Place(file, split, label, about.st_size, about.st_mtime_ns)


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith((".", "__")))


def _split_of(shard: Path) -> str:
    """The split that a shard's name begins with: train-0003.tar."""
    for end in "-_.":
        word = shard.name.lower().partition(end)[0]
        if word in SPLITS:
            return SPLITS[word]
    return ""
