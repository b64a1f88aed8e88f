"""Folders of images: one for each class, perhaps within folders of splits; what else lies there is told."""

import os
from collections.abc import Iterator
from pathlib import Path

from tutelage.data import tars
from tutelage.data.gathering import Files
from tutelage.data.place import Aside, Place, few, is_picture
from tutelage.data.splitnames import AROUND, HOW, Splits, like_split, split_of
from tutelage.errors import UserError
from tutelage.progress import counted

CACHES = frozenset(
    (
        *("__macosx", ".appledouble", ".ds_store", ".fseventsd", ".localized", ".spotlight-v100", ".trashes", "icon\r"),
        *("$recycle.bin", "desktop.ini", "ehthumbs.db", "recycler", "system volume information", "thumbs.db"),
        *("#recycle", "#snapshot", "@eadir", "@recycle", "@tmp", ".directory", ".thumbnails", "lost+found"),
        *("__pycache__", ".ipynb_checkpoints", ".nomedia", ".picasa.ini", "picasa.ini"),
    )
)
"""Files and folders of macOS, Windows, Synology, QNAP, Jupyter and others, in small letters."""
UNLABELLED = {"pred", "preds", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "inference"}
"""Words in the names of folders that hold pictures to be answered, beside folders of splits."""
TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods")


def of_folder(root: Path, splits: Splits, aside: Aside) -> Iterator[Place | Files]:
    """The images of a folder for each class, or of such folders within folders of splits.

    Args:
        root: The folder.
        splits: Which folders are splits.
        aside: Takes what is not used.

    Raises:
        UserError: it cannot be told which folders are classes.
    """
    folders = _folders(root, aside)
    found_in = _as_given(root, folders, splits, aside) if splits.given else _as_named(root, folders, splits, aside)
    if not found_in:
        yield from _of_split(root, root, "", aside)
        return
    _files_beside(root, aside)
    for folder, split in found_in.items():
        yield from _of_split(root, folder, split, aside)


def images(root: Path, folder: Path, split: str, label: str, aside: Aside) -> Iterator[Files]:
    """The image files anywhere below a folder; links are followed, each folder once.

    Args:
        root: What the places are relative to.
        folder: Within it.
        split: Of all of them.
        label: Of all of them; empty: none.
        aside: Takes what is not used.

    Raises:
        OSError: a folder below it may not be read.
    """
    seen: set[tuple[int, int]] = set()
    found = Files(split, label, [], [], [])
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        about = os.stat(here)
        if (about.st_dev, about.st_ino) not in seen:
            seen.add((about.st_dev, about.st_ino))
            waiting += sorted(_of_one(root, here, found, aside), reverse=True)
    if found.names:
        yield found
    elif label:
        aside.empty.append(folder.relative_to(root).as_posix())


def _of_one(root: Path, here: Path, found: Files, aside: Aside) -> list[Path]:
    """Takes the image files of one folder, a million perhaps; the folders in it that are to be looked at."""
    inner = []
    relative = here.relative_to(root).as_posix()
    prefix = "" if relative == "." else f"{relative}/"
    with os.scandir(here) as entries:
        for entry in entries:
            name = entry.name
            special = name[0] == "." or name.lower() in CACHES or entry.is_symlink()
            if special and not _is_of_the_user(here / name, aside):
                continue
            if os.path.isdir(entry) if special else entry.is_dir():
                inner.append(here / name)
            elif is_picture(name):
                try:
                    about = entry.stat()
                    size, mtime = about.st_size, about.st_mtime_ns
                except OSError:  # as `place.placed`
                    size, mtime = -1, 0
                found.names.append(prefix + name)
                found.bytes.append(size)
                found.mtimes.append(mtime)
            else:
                aside.file(here / name)
    return inner


def _as_given(root: Path, folders: list[Path], splits: Splits, aside: Aside) -> dict[Path, str]:
    """The folders that --data.splits names."""
    found_in = {}
    for name, split in splits.given:
        if not (root / name).is_dir():
            names = few(folder.name for folder in folders) or "none"
            raise UserError(f"data.splits names {name}, and there is no such folder in {root}", f"folders: {names}")
        found_in[root / name] = split
    used = {root / Path(name).parts[0] for name, _ in splits.given}
    for folder in folders:
        if folder not in used:
            _leave_out(folder, aside, "it is not named in data.splits")
    return found_in


def _as_named(root: Path, folders: list[Path], splits: Splits, aside: Aside) -> dict[Path, str]:
    """The folders of splits, by their names and by what is in them; none: the folders are classes.

    A split holds folders of classes (or tar shards). A folder called train or test whose pictures lie in it directly
    may be a class: of vehicles, say.
    """
    named = {folder: split for folder in folders if (split := splits.of(folder.name))}
    nested = {folder: split for folder, split in named.items() if _holds_classes(folder)}
    others = [folder for folder in folders if folder not in nested]
    if "train" in nested.values():
        for folder in others:
            _beside_splits(root, folder, nested, aside)
        return nested
    if named and len(named) == len(folders):
        names = few(folder.name for folder in named)
        if nested:
            raise UserError(f"{root} has folders of splits ({names}), and none of them is train", HOW)
        raise UserError(
            f"{root} has folders of splits ({names}) without folders of classes in them",
            f"put the images of each class into a folder of its name there, or name a CSV file of path,label; {HOW}",
        )
    if named:
        aside.notes.append(f"taken for classes, not for splits: {few(folder.name for folder in named)}; {HOW}")
    if len(folders) == 1 and _holds_classes(folders[0]):
        raise UserError(
            f"{root} holds one folder, {folders[0].name}, with others in it", f"name {folders[0]} if these are classes"
        )
    if not splits.none:
        _may_be_splits(root, folders, aside)
    return {}


def _may_be_splits(root: Path, folders: list[Path], aside: Aside) -> None:
    """Folders that would be classes, each of nothing but folders of the same names: those may be the classes."""
    inner = [_folders_alone(folder) for folder in folders[:2]]
    if len(inner) < 2 or not all(inner):
        return
    inner += [_folders_alone(folder) for folder in folders[2:]]
    common = set.intersection(*inner)
    names, inside = few(folder.name for folder in folders), few(sorted(common))
    if len(common) < 2:
        if all(inner) and max(map(len, inner)) > 1:
            aside.notes.append(
                f"taken for classes: {names}, each with all folders in it ({few(sorted(inner[0]))}); where those are "
                "the classes, move them up or name a CSV file of path,label"
            )
        return
    if {"train", "test"} <= (found := {split_of(name) for name in common}) or {"train", "val"} <= found:
        raise UserError(
            f"each folder of {root} ({names}) holds folders of splits ({inside})",
            "turn them round (train/CLASS, test/CLASS), or name a CSV file of path,label,split; "
            "--data.splits none takes all pictures of a folder together",
        )
    if any(like_split(folder.name) for folder in folders):
        raise UserError(f"{root} has folders that may be splits ({names}): each holds {inside}", HOW)
    aside.notes.append(f"taken for classes: {names}; each holds folders of the same names ({inside}): {HOW}")


def _folders_alone(folder: Path) -> set[str]:
    """The folders in one that holds no picture directly; one that does is not read to its end."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in CACHES:
                continue
            if entry.is_dir():
                names.add(entry.name)
            elif is_picture(entry.name):
                return set()
    return names


def _beside_splits(root: Path, folder: Path, splits: dict[Path, str], aside: Aside) -> None:
    """A folder beside those of splits: left out with a word where that cannot be wrong, else refused."""
    words = folder.name.lower().replace("-", "_").split("_")
    if not _pictures_below(folder):
        return
    if split_of(folder.name) or UNLABELLED & set(words):
        _leave_out(folder, aside, "it has no folders of classes")
        return
    raise UserError(
        f"{root} has folders of splits ({', '.join(f.name for f in splits)}) beside others: {folder.name}", HOW
    )


def _leave_out(folder: Path, aside: Aside, why: str) -> None:
    count = _pictures_below(folder)
    if count:
        aside.notes.append(
            f"{counted(count, 'picture')} in {few([folder.name])} left out: {why}; "
            f"--data.unlabeled {few([str(folder)])} lets a teacher answer them"
        )


def _of_split(root: Path, folder: Path, split: str, aside: Aside) -> Iterator[Place | Files]:
    """A folder for each class, or tar shards."""
    classes = _folders(folder, aside)
    inner = classes[0].name if len(classes) == 1 and _holds_classes(classes[0]) else ""
    if split and inner and (split_of(inner) == split or inner.lower() in AROUND):
        folder = classes[0]  # seg_train/seg_train, as archives are often packed; train/images
        classes = _folders(folder, aside)
    shards = sorted(folder.glob("*.tar"))
    if shards and not classes:
        for shard in shards:
            yield from tars.of_tar(root, shard, split or tars.split_of_shard(shard), aside)
        return
    if not classes:
        tables = [path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in TABLES]
        raise UserError(
            f"{folder} has no folders in it",
            f"name {folder / tables[0]} if it says the classes"
            if tables
            else "put the images of each class into a folder of its name, or name a CSV file of path,label",
        )
    _files_beside(folder, aside)
    for label in classes:
        yield from images(root, label, split, label.name, aside)


def _files_beside(folder: Path, aside: Aside) -> None:
    """What lies beside folders of classes or splits."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() or not _is_of_the_user(path, aside):
            continue
        if is_picture(path.name):
            aside.beside.append(path.name)
        elif path.is_symlink() and not path.exists():
            aside.notes.append(f"the link {few([path.name])} leads nowhere: no class is made of it")
        elif path.suffix.lower() in TABLES:
            aside.notes.append(
                f"the table {few([path.name])} is not read; name it in place of the folder if it says the classes"
            )
        else:
            aside.file(path)


def _folders(folder: Path, aside: Aside) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_of_the_user(path, aside))


def _is_of_the_user(path: Path, aside: Aside) -> bool:
    """Whether a file or folder is looked at; what is hidden, of a system, or leads back to a folder above is not."""
    name = path.name
    if name.lower() in CACHES or name.startswith("._"):
        aside.caches[path] = _pictures_below(path) if path.is_dir() else 1
        return False
    if name.startswith("."):
        aside.hidden[path] = _pictures_below(path) if path.is_dir() else int(is_picture(name))
        return False
    if path.is_symlink() and path.is_dir() and path.resolve() in (above := path.parent.resolve(), *above.parents):
        note = f"the link {few([name])} leads back to a folder above it: not followed"
        if note not in aside.notes:
            aside.notes.append(note)
        return False
    return True


def _holds_classes(folder: Path) -> bool:
    """Whether its pictures lie in folders within it, or in tar shards, and none lies in it directly."""
    inner = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in CACHES]
    files = [path for path in inner if not path.is_dir()]
    if any(is_picture(path.name) for path in files):
        return False
    return any(path.suffix == ".tar" for path in files) or any(path.is_dir() for path in inner)


def _pictures_below(folder: Path) -> int:
    return sum(is_picture(name) for _, _, names in os.walk(folder) for name in names)
