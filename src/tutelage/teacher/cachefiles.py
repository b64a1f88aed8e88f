"""The files of a teacher's answers, read without torch: which are there, if they are as written, who has read them."""

import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from tutelage import files, sealed
from tutelage.errors import Damaged, UserError
from tutelage.teacher import shards
from tutelage.teacher.manifest import FORMAT, folder_name, manifest_in, tampered
from tutelage.teacher.shards import Shard

log = logging.getLogger(__name__)

SHARD = 8192
"""Samples a file."""
ASIDE = "set_aside.json"
"""In the folder of a cache whose answers are not to be used again: why."""


class CacheFiles:
    """A cache's folder.

    Args:
        root: The folder of all caches.
        manifest: Of the cache; it is written where it is not there yet.
    """

    def __init__(self, root: Path, manifest: dict[str, Any]):
        self.manifest = manifest
        self.samples: int = manifest["images"]["samples"]
        self.folder = Path(root) / folder_name(manifest)
        if manifest_in(self.folder) != manifest:
            if (self.folder / "manifest.json").exists():
                log.warning("%s; it is written again", tampered(self.folder).message)
            files.write_json(self.folder / "manifest.json", manifest)

    @staticmethod
    def open(folder: Path) -> "CacheFiles":
        """A cache by its folder.

        Raises:
            UserError: the folder holds no cache, or its name and its manifest differ.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            raise UserError(f"{folder} holds no teacher cache", "tutelage cache list shows those that exist")
        manifest = manifest_in(folder)
        if manifest is None or folder_name(manifest) != folder.name:
            raise tampered(folder)
        return CacheFiles(folder.parent, manifest)

    def missing(
        self, views: Iterable[int], fields: Collection[str], starts: Collection[int] | None = None
    ) -> list[Shard]:
        """The files that are not there yet, in order; of all blocks, or of those that begin with some samples."""
        starts = self.starts if starts is None else starts
        wanted = (Shard(field, view, start) for view in views for start in starts for field in fields)
        return [shard for shard in wanted if not (self.folder / shard.path).exists()]

    def check(self) -> int:
        """Compares every file with its checksum; the number of files.

        Raises:
            UserError: one does not fit.
        """
        paths = sorted(self.folder.glob("view_*/*.npy"))
        for path in paths:
            shards.load(path)
        return len(paths)

    def views(self, field: str = "logits") -> list[int]:
        """View numbers that are stored whole."""
        present = sorted(int(path.name[5:]) for path in self.folder.glob("view_*"))
        return [view for view in present if not self.missing([view], [field])]

    @property
    def size_bytes(self) -> int:
        """The bytes of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def set_aside(self, reason: str) -> None:
        """Says that its answers are not to be used again, and why; the next who asks begins another cache."""
        files.write_json(self.folder / ASIDE, {"reason": reason})

    def used(self, run: str, passes: int) -> None:
        """Remembers that a run read answers instead of asking the teacher for so many."""
        path = self.folder / "uses.jsonl"
        try:
            known = {use["run"] for use in self.uses()}
        except Damaged as damaged:
            log.warning("%s; it begins anew with this run", damaged.message)
            sealed.remove([path])
            known = set()
        if run not in known:
            sealed.append_lines(path, [{"run": run, "images": passes}], f"{self.folder.name}/uses.jsonl")

    def uses(self) -> list[dict[str, Any]]:
        """The runs that read it; raises Damaged where the file of them is."""
        return sealed.read_lines(self.folder / "uses.jsonl", f"{self.folder.name}/uses.jsonl")

    @property
    def starts(self) -> range:
        """The first sample of each block of rows."""
        return range(0, self.samples, SHARD)

    def end(self, start: int) -> int:
        """The sample after the last of a block."""
        return min(start + SHARD, self.samples)

    def rows(self, shard: Shard) -> int:
        """How many rows a file has."""
        return self.end(shard.start) - shard.start

    @property
    def paid(self) -> int:
        """Teacher passes that the views stored whole have taken."""
        more = passes_each({"rotations"}) - passes_each({"logits"})
        return self.samples * (len(self.views()) + more * len(self.views("rotations")))


def passes_each(fields: Collection[str]) -> int:
    """How often a network is asked for these fields about one view of an image: rotations of it are three more."""
    return 4 if "rotations" in fields else 1


def caches(root: Path) -> list[CacheFiles]:
    """All caches under a root; one whose manifest is damaged is named and left out."""
    found = []
    for path in sorted(Path(root).glob(f"v{FORMAT}-*/manifest.json")):
        try:
            found.append(CacheFiles.open(path.parent))
        except Damaged as damaged:
            log.warning("%s; %s", damaged.message, damaged.hint)
    return found
