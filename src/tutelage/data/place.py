"""Says where one image is, and in sentences what of a path is not used: nothing is left out without a word."""

import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tutelage.names import shown
from tutelage.picture import ENDINGS
from tutelage.progress import counted

FEW = 5
"""Names that a sentence shows."""
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP")
"""First bytes of the usual formats."""


class Place(NamedTuple):
    """Where one image is, and what is said about it."""

    file: str
    """Relative to the root, with forward slashes; or absolute."""
    split: str
    """"train", "val", "test", or empty where it is still to be assigned."""
    label: str
    """The name of its class; empty: none."""
    bytes: int
    """The size of the file."""
    mtime: int
    """When the file was last changed, in nanoseconds."""
    offset: int = 0
    length: int = 0
    """Which bytes of the file: in a tar shard or an Arrow file; 0: all; -1: none, an empty member."""


def placed(root: Path, file: str, split: str, label: str) -> Place:
    """The place of a file, with its size and time; one that is not there is listed as broken when it is read."""
    try:
        about = (root / file).stat()
    except (OSError, ValueError):
        return Place(file, split, label, -1, 0)
    return Place(file, split, label, about.st_size, about.st_mtime_ns)


class Aside:
    """What of a path is not used."""

    def __init__(self) -> None:
        self.endings: Counter[str] = Counter()
        """Files that are no images, by ending."""
        self.pictures: Counter[str] = Counter()
        """Those among them that begin like pictures, by ending."""
        self.hidden: dict[Path, int] = {}
        """Hidden files and folders, and how many pictures each is or holds."""
        self.caches: dict[Path, int] = {}
        """The same of systems, servers and other programs; a file that is no picture counts as well."""
        self.beside: list[str] = []
        """Pictures that lie beside the folders of classes."""
        self.empty: list[str] = []
        """Folders of classes without a picture."""
        self.same_key: list[str] = []
        """Pictures in tar shards whose KEY is that of another one."""
        self.alone: list[str] = []
        """KEY.cls in tar shards without a picture."""
        self.notes: list[str] = []
        """What else is to be said, in sentences."""

    def file(self, path: Path) -> None:
        """Counts a file that is no image by its ending."""
        ending = path.suffix.lower() or "no ending"
        self.endings[ending] += 1
        if _begins_like_a_picture(path):
            self.pictures[ending] += 1

    def sentences(self) -> list[str]:
        """One for each kind: how many, and what changes it."""
        sentences = list(self.notes)
        if self.empty:
            sentences.append(
                f"{counted(len(self.empty), 'folder')} without a picture: {few(self.empty)}; no class is made of "
                "that: fill or remove what should be one"
            )
        if self.same_key:
            sentences.append(
                f"{counted(len(self.same_key), 'picture')} left out, up to the first dot named like another picture: "
                f"{few(self.same_key)}; a tar shard has one picture a KEY"
            )
        if self.alone:
            sentences.append(f"{counted(len(self.alone), 'label')} without a picture beside it: {few(self.alone)}")
        if self.beside:
            sentences.append(
                f"{counted(len(self.beside), 'picture')} beside the folders of classes: {few(self.beside)}; left out: "
                "move them into a class's folder, or name a CSV file of path,label"
            )
        for found, what, way in (
            (self.pictures, "begin like pictures, but have other endings", "rename them, or name them in a CSV file"),
            (
                _by_name(self.hidden),
                "are pictures in hidden files and folders",
                "rename them without the dot to use them",
            ),
            (
                _by_name(self.caches),
                "belong to systems, servers and other programs",
                "name them in a CSV file to use them",
            ),
        ):
            if found:
                names = few(f"{name} {count:,}" for name, count in found.most_common())
                sentences.append(f"left out: {counted(found.total(), 'file')} that {what} ({names}); {way}")
        return sentences


def few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return ", ".join(shown(name) for name in names[:FEW]) + more


def is_picture(name: str) -> bool:
    """Whether a file is one by its ending."""
    name = name.lstrip(".")  # as os.path.splitext does, in a fifth of its time
    return name[name.rfind(".") :].lower() in ENDINGS


def _by_name(found: dict[Path, int]) -> Counter[str]:
    names: Counter[str] = Counter()
    for path, count in found.items():
        if count:
            names["._*" if path.name.startswith("._") else path.name] += count
    return names


def _begins_like_a_picture(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            first = file.read(12)
    except OSError:
        return False
    return first.startswith(BEGINNINGS) and (first[:2] != b"BM" or first[6:10] == bytes(4))
