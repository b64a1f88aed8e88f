"""The teacher paid once: its answers on disk under (sample, view).

`<root>/v1-<digest>/manifest.json` holds the identity in full, `view_0003/logits_00008192.npy` the rows of samples
8192..16383 in view 3, in sample order, beside a line with the checksum. Rows are addressed, never counted, so order,
batch size and devices do not matter; files appear by rename and never change, so readers and writers need no lock.
"""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import files
from tutelage.data.augment import Augment
from tutelage.data.memory import MemoryImages
from tutelage.errors import UserError
from tutelage.models.tap import Tapped
from tutelage.models.weights import weights_digest
from tutelage.outputs import Head, Outputs
from tutelage.progress import advancing
from tutelage.rng import RNG_VERSION
from tutelage.teacher import Teacher, frozen

FORMAT = 1
SHARD = 8192
"""Samples a file."""
FILL_BATCH = 256
FIELDS = ("logits", "embedding")
TOLERANCE = 2e-3
"""Of a recomputed answer, relative to the largest logit: float16 keeps 11 bits, other kernels differ."""


class Shard(NamedTuple):
    """One file of the cache."""

    field: str
    view: int
    start: int

    @property
    def path(self) -> str:
        """Relative to the cache's folder."""
        return f"view_{self.view:04d}/{self.field}_{self.start:08d}.npy"


def identity(
    network: Tapped, name: str, images: MemoryImages, augment: Augment, precision: str, storage: str
) -> dict[str, Any]:
    """Everything an answer depends on, and nothing else: not the number of views, student, method, batch or order.

    Args:
        network: The teacher.
        name: Its name, for people.
        images: The training split.
        augment: Which views exist.
        precision: Of the teacher's forward pass.
        storage: Of the files, "float16" or "float32".
    """
    return {
        "format": FORMAT,
        "rng": RNG_VERSION,
        "teacher": {
            "name": name,
            "weights": weights_digest(network),
            "size": network.size,
            "mean": list(network.mean),
            "std": list(network.std),
            "interpolation": network.interpolation,
        },
        "images": {"digest": images.digest, "samples": len(images)},
        "augment": {key: getattr(augment, key) for key in augment.__dataclass_fields__},
        "precision": precision,
        "storage": storage,
    }


class TeacherCache:
    """A teacher's answers on disk; opened by what they are answers to.

    Args:
        root: The folder of all caches.
        manifest: From `identity`.
    """

    def __init__(self, root: Path, manifest: dict[str, Any]):
        self.manifest = manifest
        self.samples: int = manifest["images"]["samples"]
        self.folder = Path(root) / f"v{FORMAT}-{files.digest(manifest)[:16]}"
        self._views: dict[tuple[str, int], list[np.ndarray]] = {}
        written = self.folder / "manifest.json"
        if not written.exists():
            files.write_json(written, manifest)
        elif files.read_json(written) != manifest:
            raise UserError(
                f"{written} does not hold what its folder's name says", "remove the folder with tutelage cache prune"
            )

    @staticmethod
    def open(folder: Path) -> "TeacherCache":
        """A cache by its folder.

        Raises:
            UserError: the folder holds no cache, or its name and its manifest differ.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            raise UserError(f"{folder} holds no teacher cache", "tutelage cache list shows those that exist")
        cache = TeacherCache(folder.parent, files.read_json(folder / "manifest.json"))
        if cache.folder != folder:
            raise UserError(f"{folder}: the manifest was changed", "remove the folder with tutelage cache prune")
        return cache

    def missing(self, views: Iterable[int], fields: Iterable[str]) -> list[Shard]:
        """The files that are not there yet, in order."""
        wanted = (Shard(f, v, s) for v in views for s in range(0, self.samples, SHARD) for f in fields)
        return [shard for shard in wanted if not (self.folder / shard.path).exists()]

    def bytes_needed(self, views: Iterable[int], widths: dict[str, int]) -> int:
        """Size of the missing files.

        Args:
            views: View numbers.
            widths: Columns of each field.
        """
        item = np.dtype(self.manifest["storage"]).itemsize
        return sum(self._rows(shard) * widths[shard.field] * item for shard in self.missing(views, widths))

    def fill(
        self,
        network: Tapped,
        images: MemoryImages,
        augment: Augment,
        views: Iterable[int],
        fields: Iterable[str] = ("logits",),
        *,
        rank: int = 0,
        world: int = 1,
    ) -> int:
        """Asks the teacher for what is missing; what is there is never asked again.

        Several processes may fill at once: each takes every world-th shard, and two that take the same write the same
        bytes.

        Returns:
            Teacher passes paid: images answered.
        """
        fields = tuple(fields)
        absent = self.missing(views, fields)
        blocks = sorted({(shard.view, shard.start) for shard in absent})[rank::world]
        if not self._head_path.exists():
            self._write_head(network)
        paid = 0
        total = sum(self._rows(Shard("logits", *block)) for block in blocks)
        with advancing(f"teacher answers ({self.manifest['teacher']['name']})", total) as advance:
            for view, start in blocks:
                answers = _ask(network, images, augment, view, range(start, self._end(start)), fields, advance)
                for field in fields:
                    self._write(Shard(field, view, start), answers[field])
                paid += self._end(start) - start
        return paid

    def answers(
        self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], fields: Iterable[str] = ("logits",)
    ) -> Outputs:
        """The stored rows of these addresses, float32.

        Raises:
            UserError: a row was never filled, or a file's checksum does not fit.
        """
        position, number = sample.cpu(), view.cpu()
        rows = {field: self._rows_of(field, position, number).to(sample.device) for field in fields}
        return Outputs(rows["logits"], rows.get("embedding"))

    def verify(
        self,
        network: Tapped,
        images: MemoryImages,
        augment: Augment,
        rows: int = 16,
        views: Iterable[int] | None = None,
    ) -> float:
        """Asks the teacher again for a few stored rows.

        Args:
            network: The teacher.
            images: The training split.
            augment: The cache's augmentation.
            rows: Rows to recompute of each view, spread evenly.
            views: View numbers; None: all that are stored whole.

        Returns:
            The largest difference, relative to the largest absolute logit.

        Raises:
            UserError: it is above `TOLERANCE`: these are not this teacher's answers.
        """
        worst = 0.0
        sample = torch.linspace(0, self.samples - 1, min(rows, self.samples)).long()
        for view in self.views() if views is None else views:
            number = torch.full_like(sample, view)
            stored = self.answers(sample, number).logits
            with torch.inference_mode():
                fresh = frozen(network)(images.view(sample, number, augment).pixels).logits.float().cpu()
            worst = max(worst, ((stored - fresh).abs().max() / fresh.abs().max()).item())
        if not worst <= TOLERANCE:
            raise UserError(
                f"{self.folder}: stored answers differ from the teacher's by {worst:.1%} of the largest logit "
                f"({TOLERANCE:.1%} is allowed)",
                "the files are not this teacher's answers, or this machine computes otherwise: remove the folder "
                "(tutelage cache prune) and fill it again",
            )
        return worst

    def check_files(self) -> int:
        """Compares every file with its checksum; the number of files.

        Raises:
            UserError: one does not fit.
        """
        shards = sorted(self.folder.glob("view_*/*.npy"))
        for path in shards:
            _load(path)
        return len(shards)

    def views(self, field: str = "logits") -> list[int]:
        """View numbers that are stored whole."""
        present = sorted(int(path.name[5:]) for path in self.folder.glob("view_*"))
        return [view for view in present if not self.missing([view], [field])]

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def head(self) -> Head | None:
        """The teacher's last linear layer, where it has one."""
        from safetensors.torch import load_file

        if not self._head_path.exists():
            return None
        tensors = load_file(self._head_path)
        return Head(tensors["weight"], tensors["bias"]) if tensors else None

    def used(self, run: str, images: int) -> None:
        """Remembers that a run read `images` answers instead of asking the teacher."""
        if run not in {use["run"] for use in self.uses()}:
            files.append_line(self.folder / "uses.jsonl", {"run": run, "images": images})

    def uses(self) -> list[dict[str, Any]]:
        """The runs that read it."""
        return files.read_lines(self.folder / "uses.jsonl")

    @property
    def _head_path(self) -> Path:
        return self.folder / "head.safetensors"

    def _write_head(self, network: Tapped) -> None:
        from safetensors.torch import save_file

        head = network.sizes().head
        tensors = {} if head is None else {"weight": head.weight.cpu().contiguous(), "bias": head.bias.cpu()}
        with files.appearing(self._head_path) as beside:
            save_file(tensors, beside)

    def _end(self, start: int) -> int:
        return min(start + SHARD, self.samples)

    def _rows(self, shard: Shard) -> int:
        return self._end(shard.start) - shard.start

    def _write(self, shard: Shard, rows: Tensor) -> None:
        array = rows.numpy().astype(self.manifest["storage"])
        if not np.isfinite(array).all():
            raise UserError(
                f"the teacher's {shard.field} are not finite in {self.manifest['storage']} (view {shard.view})",
                'look at its weights and normalisation, or set teacher.storage = "float32"',
            )
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        path = self.folder / shard.path
        # Two writers of one shard may differ in the last bit (threads): the first one's pair of files stands.
        with files.locked(self.folder / "lock", wait=True):
            if path.exists():
                return
            # The checksum first: a shard that is there always has one.
            with files.appearing(_checksum_path(path)) as beside:
                beside.write_text(hashlib.sha256(buffer.getvalue()).hexdigest() + "\n")
            with files.appearing(path) as beside:
                beside.write_bytes(buffer.getvalue())

    def _rows_of(self, field: str, sample: Tensor, view: Tensor) -> Tensor:
        numbers = view.unique().tolist()
        if len(numbers) == 1:
            return self._rows_of_view(field, sample, numbers[0])
        rows: Tensor | None = None
        for number in numbers:
            chosen = (view == number).nonzero().squeeze(1)
            part = self._rows_of_view(field, sample[chosen], number)
            rows = part.new_empty(len(sample), part.shape[1]) if rows is None else rows
            rows[chosen] = part
        assert rows is not None
        return rows

    def _rows_of_view(self, field: str, sample: Tensor, view: int) -> Tensor:
        shards = self._mapped(field, view)
        if len(shards) == 1:
            return torch.from_numpy(shards[0][sample.numpy()].astype(np.float32))
        position = sample.numpy()
        rows = np.empty((len(position), shards[0].shape[1]), np.float32)
        of_shard, within = np.divmod(position, SHARD)
        for number in np.unique(of_shard):
            chosen = of_shard == number
            rows[chosen] = shards[number][within[chosen]]
        return torch.from_numpy(rows)

    def _mapped(self, field: str, view: int) -> list[np.ndarray]:
        """The memory-mapped shards of a view, checked when first mapped."""
        if (field, view) not in self._views:
            absent = self.missing([view], [field])
            if absent:
                raise UserError(
                    f"{self.folder} has no {absent[0].path}", "fill it: tutelage cache fill RECIPE, or train with it"
                )
            paths = [self.folder / Shard(field, view, start).path for start in range(0, self.samples, SHARD)]
            self._views[field, view] = [_load(path) for path in paths]
        return self._views[field, view]


class CachedTeacher(Teacher):
    """Answers from a cache; the pixels are not looked at.

    Args:
        cache: Filled for every view that will be asked.
        fields: What to answer: "logits", "embedding".
    """

    def __init__(self, cache: TeacherCache, fields: Iterable[str]):
        self.cache = cache
        self.fields = tuple(dict.fromkeys(("logits", *fields)))

    def answer(self, pixels, sample, view):
        return self.cache.answers(sample, view, self.fields)


def caches(root: Path) -> list[TeacherCache]:
    """All caches under a root."""
    return [TeacherCache.open(path.parent) for path in sorted(Path(root).glob(f"v{FORMAT}-*/manifest.json"))]


def _ask(network, images, augment, view, samples, fields, advance) -> dict[str, Tensor]:
    """The teacher's answers about one view of a range of samples, on the CPU."""
    want = frozenset(fields) - {"logits"}
    parts: dict[str, list[Tensor]] = {field: [] for field in fields}
    device = next(network.parameters()).device
    with torch.inference_mode():
        for start in range(samples.start, samples.stop, FILL_BATCH):
            sample = torch.arange(start, min(start + FILL_BATCH, samples.stop))
            pixels = images.view(sample, torch.full_like(sample, view), augment).pixels
            answer = frozen(network)(pixels.to(device, memory_format=torch.channels_last), want)
            for field in fields:
                parts[field].append(getattr(answer, field).float().cpu())
            advance(len(sample))
    return {field: torch.cat(rows) for field, rows in parts.items()}


def _checksum_path(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _load(path: Path) -> np.ndarray:
    """A memory-mapped shard whose checksum fits."""
    expected = _checksum_path(path).read_text().strip() if _checksum_path(path).exists() else "missing"
    if files.file_digest(path) != expected:
        raise UserError(
            f"{path} is damaged: its checksum is not the one written beside it",
            "remove that file; it will be filled again",
        )
    return np.load(path, mmap_mode="r", allow_pickle=False)
