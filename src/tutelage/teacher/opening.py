"""Finds or begins the cache of a network's answers: that of its identity, if the network still answers as it did.

Names, options, code, versions and weights make the identity; what none of them tells shows in the answers to a few
fixed pictures, which are kept when a cache is begun and compared whenever it is opened. What has changed gets another
cache, and a sentence; the old answers stay where they are.
"""

import itertools
import logging
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from tutelage import files, sealed
from tutelage.errors import Damaged, UserError
from tutelage.models.tap import Tapped, evaluating
from tutelage.shares import percent
from tutelage.teacher import storing
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cachefiles import ASIDE, CacheFiles
from tutelage.teacher.manifest import FORMAT

log = logging.getLogger(__name__)

PICTURES = 4
"""How many fixed pictures a network is asked about."""
PROBE = "probe.safetensors"
"""In a cache's folder: the network's `answers` to them."""


def open_for(
    root: Path, manifest: dict[str, Any], network: Tapped, shape: tuple[int, ...], field: str = "logits"
) -> TeacherCache:
    """The cache of a network's answers, found or begun.

    Args:
        root: The folder of all caches.
        manifest: From `identity`.
        network: Who answers.
        shape: Of the images: channels, height, width.
        field: What is compared: "logits" or "embedding".
    """
    answers = _answers(network, shape, field)
    for generation in itertools.count():
        own = manifest | ({"generation": generation} if generation else {})
        known = _known(root)
        same = [m for m in known.values() if _without_place(m) == _without_place(own)]
        if not same and not generation:
            _say_what_changed(own, known)
        cache = TeacherCache(root, own if own in same or not same else same[0])
        aside = cache.folder / ASIDE
        if not aside.exists() and _answers_alike(cache, answers):
            return cache
        log.info("the answers in %s are not used again: %s", cache.folder, _reason(aside))
    raise AssertionError("unreachable")


def pictures(shape: tuple[int, ...]) -> Float32[Tensor, "B C H W"]:
    """The fixed pictures: coarse and fine noise in [0, 1], always the same for a shape."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(PICTURES, shape[0], 3, 3, generator=generator)
    fine = torch.rand(PICTURES, *shape, generator=generator)
    return (torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear") + fine / 2) / 1.5


def _answers(network: Tapped, shape: tuple[int, ...], field: str) -> Tensor:
    pixels = pictures(shape).to(next(network.parameters()).device, memory_format=torch.channels_last)
    with evaluating(network), torch.no_grad():
        return getattr(network(pixels, frozenset({field})), field).float().cpu().contiguous()


def _answers_alike(cache: TeacherCache, answers: Tensor) -> bool:
    """Whether a network answers as it did when the cache was begun; sets the cache aside where it does not."""
    path, what = cache.folder / PROBE, f"{cache.folder.name}/{PROBE}"
    try:
        before = sealed.read_tensors(path, what)["answers"] if path.exists() else None
    except Damaged as damaged:
        log.warning("%s; it is written again", damaged.message)
        before = None
    if before is None:
        sealed.write_tensors(path, {"answers": answers}, what)
        return True
    worst = ((before - answers).abs().max() / before.abs().max().clamp_min(1e-30)).item()
    if worst <= storing.tolerance("float32") or (math.isnan(worst) and before.isnan().equal(answers.isnan())):
        return True
    cache.files.set_aside(f"the same pictures were answered otherwise then, by {percent(worst)} of the largest number")
    return False


def _reason(aside: Path) -> str:
    try:
        return files.read_json(aside)["reason"]
    except (ValueError, LookupError, TypeError):
        return "they were set aside"


def _known(root: Path) -> dict[str, dict[str, Any]]:
    """The manifests of all caches, by folder."""
    found = {}
    for path in sorted(Path(root).glob(f"v{FORMAT}-*")):
        try:
            found[path.name] = CacheFiles.open(path).manifest
        except UserError:  # no manifest, or a damaged one
            continue
    return found


def _without_place(manifest: dict[str, Any]) -> dict[str, Any]:
    """What makes a cache another: not the words for its images, which are a path where they come from one."""
    return {name: value for name, value in manifest.items() if name != "data"}


def _say_what_changed(manifest: dict[str, Any], known: dict[str, dict[str, Any]]) -> None:
    """Says what made a network another that has answers to the same views under another identity."""
    for folder, other in known.items():
        rest = ({k: v for k, v in m.items() if k not in ("teacher", "data", "generation")} for m in (manifest, other))
        mine, theirs = manifest["teacher"], other["teacher"]
        if mine["name"] == theirs["name"] and len({files.digest(part) for part in rest}) == 1:
            changed = [name for name in {**theirs, **mine} if mine.get(name) != theirs.get(name)]
            code = _difference(theirs.get("made_by", {}), mine.get("made_by", {}))
            if code:
                log.info(
                    "%s has changed since %s was filled (%s): it is asked anew", mine["name"], folder, ", ".join(code)
                )
            elif changed == ["made_by"]:
                log.info("%s was filled before the code of %s was looked at: it is asked anew", folder, mine["name"])


def _difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """In words, what of a network's making is not as it was."""
    words = {"source": "its code", "options": "its options"}
    return [
        words.get(name, f"{name} {before.get(name)} -> {after.get(name)}")
        for name in {**before, **after}
        if before and after and before.get(name) != after.get(name)
    ]
