"""Finds the known network that a state dict was made for: its names and shapes are looked up in known.txt.

`python -m tutelage.models.known` writes that file anew, from `MODELS` and the installed timm and torchvision.
"""

import hashlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage import files
from tutelage.models import MODELS

TABLE = Path(__file__).with_name("known.txt")
"""A line for each signature: the names of the networks that have it."""
MOST = 3
"""Networks that are named, of those that fit."""
CLASSES = 7919
"""With which the table's networks were built: no layer of any has that size, so it shows which layer is the head."""

Shapes = Mapping[str, tuple[int, ...]]


def advice(state: Mapping[str, Tensor], path: str | Path) -> str:
    """What to write for a file of weights that does not fit the network that was named.

    Args:
        state: By plain names.
        path: The file.
    """
    shapes = shapes_of(state)
    found = fitting(shapes, Path(path).stem)
    if found:
        others = f" (or {', '.join(found[1:MOST])})" if found[1:] else ""
        return (
            f"it fits {found[0]}{others}: --teacher {found[0]} --teacher.model.weights {path} --teacher.tune none "
            f"(head: for other classes); of a student --student {found[0]} --student.weights {path}"
        )
    near, differing = nearest(shapes)
    own = f"write its network in a file of your own: --teacher FILE.py:make_net --teacher.model.weights {path}"
    if not near:
        return f"no known network has these names; {own}"
    return f"it is nearest to {near}, which has another or no {few(differing)}; {own}"


def fitting(shapes: Shapes, called: str = "") -> list[str]:
    """The known networks of these names and shapes, the number of classes aside.

    Args:
        shapes: Of a state dict.
        called: Networks whose names are in this one come first: files are often called after theirs.
    """
    found = {name for signature in _signatures(shapes) for name in _table().get(signature, ())}

    def rank(name: str) -> tuple[bool, int, str]:
        plain = name.rpartition(":")[2]
        return plain not in called, -len(plain) if plain in called else len(plain), name

    return sorted(found, key=rank)


def nearest(shapes: Shapes) -> tuple[str, list[str]]:
    """The one of our own networks with most of these names and shapes, and what it lacks; "": none has half of them."""
    best, near, differing = 0.5, "", []
    channels = 3 if any(len(shape) == 4 and shape[1] == 3 for shape in shapes.values()) else 1
    for name in MODELS:
        with torch.device("meta"):
            theirs = shapes_of(_ours(name, channels)().state_dict())
        head = {
            key for key, shape in theirs.items() if shape[:1] == (CLASSES,) and shape[1:] == shapes.get(key, ())[1:]
        }
        other = [key for key in shapes if theirs.get(key) != shapes[key] and key not in head]
        share = 1 - (len(other) + len(theirs.keys() - shapes.keys())) / max(len(shapes), 1)
        if share > best:
            best, near, differing = share, name, other
    return near, differing


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Without the counters of BatchNorm, which old files lack."""
    return {name: tuple(t.shape) for name, t in state.items() if not name.endswith("num_batches_tracked")}


def few(names: list[str]) -> str:
    """The first three of many names."""
    return ", ".join(names[:3]) + (f", ... ({len(names) - 3} more)" if len(names) > 3 else "")


def _signatures(shapes: Shapes) -> Iterator[int]:
    """What the table may know a network by: any of its layers could be the head, or all of one size."""
    total = sum(_hash(name, shape) for name, shape in shapes.items())
    freed: dict[str, int] = {}
    sizes: dict[int, int] = {}
    for name, shape in shapes.items():
        if shape:
            layer = name.rpartition(".")[0]
            change = _hash(name, (CLASSES, *shape[1:])) - _hash(name, shape)
            freed[layer] = freed.get(layer, 0) + change
            sizes[shape[0]] = sizes.get(shape[0], 0) + change
    for change in (*freed.values(), *sizes.values()):
        yield (total + change) % 2**64


def _hash(name: str, shape: tuple[int, ...]) -> int:
    """Their sum does not depend on an order."""
    return int.from_bytes(hashlib.blake2b(f"{name} {shape}".encode(), digest_size=8).digest())


@lru_cache(maxsize=1)
def _table() -> dict[int, tuple[str, ...]]:
    lines = (line.split() for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {int(signature, 16): tuple(names) for signature, *names in lines}


def _ours(name: str, channels: int) -> Callable[[], nn.Module]:
    function = getattr(importlib.import_module(f"tutelage.models.{MODELS[name].module}"), name)
    return partial(function, classes=CLASSES, channels=channels)


def _every() -> Iterable[tuple[str, Callable[[], nn.Module]]]:
    """All known networks, and how to make them."""
    import timm
    from torchvision import models

    for name in MODELS:
        yield from ((name, _ours(name, channels)) for channels in (1, 3))
    for name in timm.list_models():
        yield f"timm:{name}", partial(timm.create_model, name, num_classes=CLASSES)
    for name in models.list_models(module=models):
        options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        yield f"torchvision:{name}", partial(models.get_model, name, num_classes=CLASSES, **options)


def signature_of(make: Callable[[], nn.Module]) -> int:
    """The signature of a network that is built with `CLASSES` classes."""
    try:
        with torch.device("meta"):
            state = make().state_dict()
    except NotImplementedError:  # it computes its widths with tensors
        state = make().state_dict()
    return sum(_hash(name, shape) for name, shape in shapes_of(state).items()) % 2**64


def main() -> None:
    """Writes the table."""
    names: dict[int, list[str]] = {}
    for name, make in _every():
        names.setdefault(signature_of(make), []).append(name)
    lines = sorted(f"{signature:016x} {' '.join(sorted(set(names_of)))}" for signature, names_of in names.items())
    with files.appearing(TABLE) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
