"""Pays the teacher once: keeps its answers on disk under (sample, view).

`<root>/v1-<digest>/manifest.json` holds the identity in full, `view_0003/logits_00008192.npy` the rows of samples
8192..16383 in view 3, in sample order, beside a line with the checksum. Rows are addressed, never counted, so order,
batch size and devices do not matter; files appear by rename and never change, so readers need no lock. A block of rows
has one while the teacher is asked for it, so that several who fill pay it once.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from tutelage import files
from tutelage.data.augment import Augment
from tutelage.data.images import Images
from tutelage.errors import UserError
from tutelage.models.tap import Tapped
from tutelage.outputs import Head, Outputs
from tutelage.progress import advancing, say
from tutelage.run.process import ALONE, Process
from tutelage.shares import percent
from tutelage.teacher import asking, headfile, shards, storing
from tutelage.teacher.answer import frozen, of_rows
from tutelage.teacher.cachefiles import CacheFiles, passes_each
from tutelage.teacher.shards import Shard

ROWS = 64
"""How many stored rows `verify` asks for again."""


class TeacherCache:
    """A teacher's answers on disk; opened by what they are answers to.

    Args:
        root: The folder of all caches.
        manifest: From `identity`.
    """

    def __init__(self, root: Path, manifest: dict[str, Any]):
        self.files = CacheFiles(root, manifest)
        self.folder, self.manifest, self.samples = self.files.folder, manifest, self.files.samples
        self._views: dict[tuple[str, int], list[np.ndarray]] = {}

    @staticmethod
    def open(folder: Path) -> "TeacherCache":
        """A cache by its folder; raises what `CacheFiles.open` raises."""
        return TeacherCache(Path(folder).parent, CacheFiles.open(folder).manifest)

    def bytes_needed(self, views: Iterable[int], widths: dict[str, int]) -> int:
        """Size of the missing files.

        Args:
            views: View numbers.
            widths: Columns of each field.
        """
        sizes = {field: storing.row_bytes(self.manifest["storage"], field, width) for field, width in widths.items()}
        return sum(self.files.rows(shard) * sizes[shard.field] for shard in self.files.missing(views, widths))

    def fill(
        self,
        network: nn.Module,
        images: Images,
        augment: Augment,
        views: Iterable[int],
        fields: Iterable[str] = ("logits",),
        process: Process = ALONE,
    ) -> int:
        """Asks the teacher for what is missing; what is there is never asked again.

        Several processes may fill at once: each takes every world-th block of all, whatever the others have done. What
        another run or command is asking at the moment is left for the end, and waited for: every block is paid once.

        Returns:
            Teacher passes paid here: images answered, and where rotations are asked for three more of each.
        """
        network, views, fields = frozen(network), sorted(set(views)), tuple(fields)
        with files.locked(self.folder / "lock", wait=True):
            files.sweep(self.folder)
        unseen = [(field, view) for view in views for field in fields if (field, view) not in self._views]
        shards.discard_damaged(self.folder, (Shard(*block, start) for block in unseen for start in self.files.starts))
        absent = {(shard.view, shard.start) for shard in self.files.missing(views, fields)}
        every = [(view, start) for view in views for start in self.files.starts]
        blocks = [block for block in every[process.rank :: process.world] if block in absent]
        if "logits" in fields:
            headfile.write(self.folder, network)
        paid, busy, lost = 0, [], [torch.zeros(0)]
        total = sum(self.files.rows(Shard("logits", *block)) for block in blocks)
        with advancing(f"teacher answers ({self.manifest['teacher']['name']})", total) as advance:

            def ask(view: int, start: int) -> int:
                shown = asking.shown(network, images, augment, view, range(start, self.files.end(start)))
                answers = asking.answers(network, shown, fields, advance, self.manifest["precision"])
                for field in fields:
                    stored = storing.encoded(answers[field], field, self.manifest["storage"])
                    shards.write(self.folder, Shard(field, view, start), stored)
                    if stored.dtype == np.uint8:
                        lost.append(storing.divergence(answers[field], stored))
                return (self.files.end(start) - start) * passes_each(fields)

            for wait, those in ((False, blocks), (True, busy)):
                for view, start in those:
                    with shards.block(self.folder, view, start, wait=wait) as alone:
                        if not alone:
                            busy.append((view, start))
                        elif self.files.missing([view], fields, [start]):  # another process may have asked since
                            paid += ask(view, start)
        if len(of_rows := torch.cat(lost)):
            say(f"answers in 8 bits: KL to full ones {of_rows.mean():.1e} nats on average, at most {of_rows.max():.1e}")
        return paid

    def rows(self, field: str, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"]) -> Float32[Tensor, "B _"]:
        """The stored rows of one field under these addresses, on their device.

        Raises:
            UserError: a row was never filled, or a file's checksum does not fit.
        """
        of_shard, within = np.divmod(sample.cpu().numpy(), self.files.starts.step)
        number = view.cpu().numpy() * len(self.files.starts) + of_shard
        order = np.argsort(number, kind="stable")
        parts = []
        for group in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            of_view, shard = divmod(int(number[group[0]]), len(self.files.starts))
            parts.append(self.mapped(field, of_view)[shard][within[group]])
        rows = np.concatenate(parts)[np.argsort(order)]
        # torch widens float16 several times faster than numpy.
        return storing.decoded(torch.from_numpy(rows)).to(sample.device)

    def expect(self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], fields: Iterable[str]) -> None:
        """Lets the system read these rows from the disk, in the background; raises what `rows` raises."""
        for number in view.unique().tolist():
            for field in fields:
                shards.expect(self.mapped(field, number), sample[view == number].tolist())

    def answers(
        self, sample: Int64[Tensor, " B"], view: Int64[Tensor, " B"], fields: Iterable[str] = ("logits",)
    ) -> Outputs:
        """The stored rows of several fields as the teacher would say them; raises what `rows` raises."""
        found = {field: self.rows(field, sample, view) for field in fields}
        return of_rows(found)

    def verify(
        self,
        network: Tapped,
        images: Images,
        augment: Augment,
        rows: int = ROWS,
        views: Iterable[int] | None = None,
    ) -> float:
        """Asks the teacher again for a few stored rows, in float32 whatever they were filled in.

        Args:
            network: The teacher.
            images: The training split.
            augment: The cache's augmentation.
            rows: How many to recompute, drawn anew each time over all of these views.
            views: View numbers; None: all that are stored whole.

        Returns:
            The largest difference, relative to the largest absolute logit.

        Raises:
            UserError: it is above `storing.tolerance` and what the manifest allows its precision: these are not this
                teacher's answers; they are set aside.
        """
        worst, drawn = 0.0, random.SystemRandom()
        among = self.files.views() if views is None else list(views)
        of_view = Counter(drawn.choices(among, k=rows)) if among else Counter()
        for view, count in of_view.items():
            sample = torch.tensor(drawn.sample(range(self.samples), min(count, self.samples)))
            stored = self.answers(sample, torch.full_like(sample, view)).logits
            fresh = asking.ask(frozen(network), images, augment, sample, view).logits.float().cpu()
            difference = ((stored - fresh).abs().max() / fresh.abs().max().clamp_min(1e-30)).item()
            worst = max(worst, difference if math.isfinite(difference) else math.inf)
        allowed = storing.tolerance(self.manifest["storage"]) + self.manifest.get("tolerance", 0.0)
        if worst > allowed:
            reason = f"stored answers differ from the teacher's by {percent(worst)} of the largest logit"
            self.files.set_aside(reason)
            raise UserError(
                f"{self.folder}: {reason} ({percent(allowed)} is allowed)",
                "the files are not this teacher's answers, or this machine computes otherwise: they are set aside, "
                "and the same command asks the teacher anew",
            )
        return worst

    @property
    def head(self) -> Head | None:
        """The teacher's last linear layer, where it has one; raises Damaged where its file is."""
        return headfile.read(self.folder)

    def mapped(self, field: str, view: int) -> list[np.ndarray]:
        """The memory-mapped shards of a view, checked when first mapped.

        Raises:
            UserError: one was never filled, or its checksum does not fit.
        """
        if (field, view) not in self._views:
            absent = self.files.missing([view], [field])
            if absent:
                raise UserError(
                    f"{self.folder} has no {absent[0].path}", "fill it: tutelage cache fill RECIPE, or train with it"
                )
            paths = [self.folder / Shard(field, view, start).path for start in self.files.starts]
            self._views[field, view] = [shards.load(path) for path in paths]
        return self._views[field, view]
