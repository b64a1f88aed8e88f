"""Measures what a student takes of a microcontroller before it is trained: exported with its initial weights.

Sizes do not depend on weights, so the file is thrown away and the numbers are kept in the converters' environment, by
everything that determines them: the network's code, the images' shape, the classes, the converters, and this code.
"""

import importlib.util
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tutelage import files, progress, sealed
from tutelage.errors import Damaged
from tutelage.export import converter, environment, folded, graph, litert, needs, resolver
from tutelage.export.needs import Needs
from tutelage.export.task import ANY_CHIP
from tutelage.models import DataSpec, Model, ladder
from tutelage.models.building import build
from tutelage.models.external import made_by

CODE = (converter, environment, folded, graph, litert, needs, resolver)
"""The modules that a file's size depends on."""


INSTALL = f"pip install 'tutelage[mcu]' && {environment.MAKE}"
"""What has to be there."""


class Taken(NamedTuple):
    """What a student takes of a microcontroller."""

    flash: int
    """Bytes of the model, and of the code that runs it: the latter are an estimate."""
    ram: int
    """Bytes of the tensor arena."""
    how: str
    """How that is known: "its file", "the ladder's table", "its initial weights"."""
    npu: dict[str, Any] | None = None
    """Of its file: see `npu.compiled`; None where it was compiled for none."""


def taken(model: Model, spec: DataSpec) -> Taken | None:
    """What a student will take, trained or not: from the ladder's table, or by exporting it; None: neither is there.

    Raises:
        UserError: TensorFlow Lite Micro lacks an operator of it.
    """
    known = ladder.measured(model, spec.size, spec.classes) if spec.channels == 3 and not model.size else None
    if known is not None:
        return Taken(known.flash, known.ram, "the ladder's table")
    packages = ("ai_edge_litert", "tflite_micro")
    if not environment.ready() or not all(importlib.util.find_spec(name) for name in packages):
        return None
    needs = untrained(model, spec)
    return Taken(needs.flash, needs.arena, "its initial weights")


def in_words(it: Taken | None) -> str:
    """One sentence."""
    if it is None:
        return f"what it takes of a microcontroller is known after {INSTALL}"
    return (
        f"in 8 bits on a microcontroller it takes {progress.size(it.flash)} of flash and "
        f"{progress.size(it.ram)} of RAM (by {it.how})"
    )


def untrained(model: Model, spec: DataSpec) -> Needs:
    """What a student will take, measured; some seconds, once.

    Args:
        model: Weights are not looked at.
        spec: The images and classes it is for.

    Raises:
        UserError: the converters or runtimes are not there; an operator that TensorFlow Lite Micro lacks.
    """
    key = _key(model, spec)
    path = environment.folder() / "sizes" / f"{key}.json"
    try:
        if path.is_file():
            needs = sealed.read_json(path, key)
            return Needs(**needs)._replace(operators=tuple(needs["operators"]))
    except Damaged:
        pass  # It is measured again.
    needs = measured(model, spec)
    with suppress(OSError):  # Where nothing can be kept, it takes the seconds again.
        path.parent.mkdir(parents=True, exist_ok=True)
        sealed.write_json(path, needs._asdict(), key)
    return needs


def measured(model: Model, spec: DataSpec) -> Needs:
    """The same, measured whatever is kept."""
    network = build(Model(model.name, options=model.options, size=model.size), spec).eval()
    pixels = torch.rand(1, spec.channels, spec.size, spec.size, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "student.tflite"
        litert.write_rounded(network, [pixels], ANY_CHIP, path)
        return needs.needs(path)


def _key(model: Model, spec: DataSpec) -> str:
    code = [files.file_digest(Path(module.__file__)) for module in CODE]
    network = {"name": model.name, "options": model.options, "size": model.size, "made_by": made_by(model)}
    shape = {"classes": spec.classes, "channels": spec.channels, "size": spec.size}
    runtimes = {name: version(name) for name in ("tflite-micro", "ai-edge-litert", "torch")}
    return files.digest([code, network, shape, list(environment.PACKAGES), runtimes])
