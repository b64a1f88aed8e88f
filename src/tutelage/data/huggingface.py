"""Reads data sets of Hugging Face: a folder that `datasets` saved, or a name of the hub, which becomes such a folder.

A saved folder is read where it lies: which bytes of its Arrow files are an image is all that is taken from them. Which
columns hold images and classes is said by their types, not by their names. Imports no torch.
"""

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tutelage import files
from tutelage.data.addresses import HUB
from tutelage.errors import UserError
from tutelage.names import shown

AGAIN = "save the data set anew with save_to_disk"


class Row(NamedTuple):
    """One image of a saved data set."""

    file: Path
    """The Arrow file ..."""
    offset: int
    """... and which bytes of it."""
    length: int
    split: str
    """As the data set calls it; empty where it has none."""
    label: str
    """The name of its class; empty where classes are not asked for."""


def is_saved(folder: Path) -> bool:
    """Whether `datasets` has saved it: one split, or several below it."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def rows(folder: Path, left_out: Counter[str], *, labelled: bool) -> Iterator[Row]:
    """The images of a saved data set.

    Args:
        folder: Of which `is_saved` is true.
        left_out: Counts the rows without an image or without a class.
        labelled: False: classes are not looked at.

    Raises:
        UserError: it has not one column of images and one of classes; its files are damaged; pyarrow is missing.
    """
    listed = folder / "dataset_dict.json"
    try:
        splits = [str(split) for split in files.read_json(listed)["splits"]] if listed.is_file() else [""]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_whole(folder, error) from None
    for split in splits:
        yield from _of_split(folder / Path(split).name, split, left_out, labelled)


def fetched(name: str, cache: Path) -> Path:
    """The saved folder of a data set of the hub: fetched now, with progress, where it is not there yet.

    Args:
        name: Begins with `HUB`.
        cache: Takes the folder; removing that fetches it anew.

    Raises:
        UserError: the package is missing, there is no network or no such data set; says what to run elsewhere.
    """
    path, _, configuration = name.removeprefix(HUB).partition(":")
    folder = cache / "hub" / f"{path.replace('/', '--')}{f'--{configuration}' * bool(configuration)}"
    if is_saved(folder):
        return folder
    arguments = ", ".join(repr(word) for word in (path, configuration) if word)
    code = f"from datasets import load_dataset; load_dataset({arguments}).save_to_disk('photos')"
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise UserError(f"fetching {name} needs the package datasets", 'pip install "tutelage[datasets]"') from None
    try:
        loaded = datasets.load_dataset(path, configuration or None)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.appearing_folder(folder) as beside:
            loaded.save_to_disk(str(beside))
    except Exception as error:  # the hub's client raises anything
        if is_saved(folder):  # another process was quicker
            return folder
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"cannot fetch {name}: {reason}",
            f'where it can be had, run: python -c "{code}"; then name that folder, photos, in its place',
        ) from None
    return folder


def _of_split(folder: Path, split: str, left_out: Counter[str], labelled: bool) -> Iterator[Row]:
    try:
        features = dict(files.read_json(folder / "dataset_info.json")["features"])
        shards = [Path(shard["filename"]).name for shard in files.read_json(folder / "state.json")["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_whole(folder, error) from None
    images = _column(folder, features, "Image")
    classes = _column(folder, features, "ClassLabel") if labelled else ""
    names = features[classes].get("names") if labelled else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{folder} does not say what the classes of {classes} are called", AGAIN)
    for shard in shards:
        for offset, length, label in _bytes_of(folder / shard, images, classes):
            if not length:
                left_out["rows without an image"] += 1
            elif labelled and (label is None or label < 0):
                left_out["rows without a class"] += 1
            elif labelled and label >= len(names):
                raise UserError(
                    f"{folder / shard} is damaged: a row is of class number {label}, and there are {len(names)}", AGAIN
                )
            else:
                yield Row(folder / shard, offset, length, split, names[label] if labelled else "")


def _not_whole(folder: Path, error: Exception) -> UserError:
    """The error for a saved folder whose JSON is missing, damaged, or without what is asked of it."""
    if isinstance(error, FileNotFoundError):
        reason = f"there is no {Path(error.filename).name}"
    else:
        reason = f"its JSON lacks {error}" if isinstance(error, KeyError) else f"{error}"
    return UserError(f"{folder} is not whole: {reason}", AGAIN)


def _column(folder: Path, features: dict[str, Any], kind: str) -> str:
    types = {
        name: feature.get("_type", "nested") if isinstance(feature, dict) else "nested"
        for name, feature in features.items()
    }
    found = [name for name, type_ in types.items() if type_ == kind]
    if len(found) == 1:
        return found[0]
    columns = ", ".join(f"{name} ({type_})" for name, type_ in types.items())
    raise UserError(
        f"{folder} has {len(found) or 'no'} columns of the type {kind}: {columns}",
        f"save it with one: {'remove_columns' if found else 'cast_column'}(...), then save_to_disk",
    )


def _bytes_of(shard: Path, images: str, classes: str) -> Iterator[tuple[int, int, Any]]:
    """Where each image begins in an Arrow file and how many bytes it has, and its class's number."""
    try:
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError:
        raise UserError(f"reading {shard} needs pyarrow", 'pip install "tutelage[datasets]"') from None
    try:
        source = arrow.memory_map(str(shard))
        base = source.read_buffer().address
        source.seek(0)
        for batch in arrow.ipc.open_stream(source):
            for name in filter(None, (images, classes)):
                batch.column(name).validate(full=True)
            column = batch.column(images).field("bytes")
            _, ends, data = column.buffers()
            wide = np.int64 if arrow.types.is_large_binary(column.type) else np.int32
            edges = np.frombuffer(ends, wide)[column.offset : column.offset + len(column) + 1].astype(np.int64)
            begins = edges[:-1] + ((data.address - base) if data else 0)
            if len(begins) and not 0 <= begins[0] <= begins[0] + edges[-1] - edges[0] <= source.size():
                raise UserError(f"{shard} is compressed", AGAIN)
            if classes and not arrow.types.is_integer(batch.column(classes).type):
                raise TypeError(f"its column {classes} holds no numbers")
            labels = batch.column(classes).to_pylist() if classes else [None] * len(column)
            yield from zip(begins.tolist(), np.diff(edges).tolist(), labels, strict=True)
    except (OSError, arrow.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = shown(" ".join(str(error).split())[:200])
        raise UserError(f"{shard} is not a sound Arrow file: {reason}", AGAIN) from None
