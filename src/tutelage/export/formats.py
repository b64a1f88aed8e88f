"""Lists what a student can be exported to; FORMATS is the only list."""

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tutelage.edge.runtimes import RUNTIMES
from tutelage.errors import UserError, unknown
from tutelage.export import onnx_files, others
from tutelage.export.task import Task


class Format(NamedTuple):
    """One kind of file."""

    write: Callable[[Task, Path], None]
    """Makes the file (and what belongs to it, under the same name with another suffix)."""
    file: str
    """Its name in a run's folder; the suffix says which of `edge.runtimes.RUNTIMES` runs it."""
    packages: tuple[str, ...]
    """Importable names that the writer and the runtime need."""
    extra: str
    """The extra that brings them; empty: tutelage always does."""
    summary: str
    int8: bool = False
    """Whether it computes in 8 bits, and may so lose accuracy."""


# fmt: off
FORMATS: dict[str, Format] = {
    "onnx": Format(onnx_files.write_onnx, "student.onnx", (), "", "ONNX Runtime, browsers, most other runtimes"),
    "onnx-int8": Format(onnx_files.write_int8, "student-int8.onnx", (), "", "the same in 8 bits", int8=True),
    "torch": Format(others.write_torch, "student.pt2", (), "", "PyTorch without this package"),
    "openvino": Format(others.write_openvino, "student.xml", ("openvino",), "openvino", "Intel's processors"),
    "executorch": Format(others.write_executorch, "student.pte", ("executorch",), "executorch", "phones, Arm boards"),
    "litert": Format(others.write_litert, "student.tflite", ("litert_torch",), "litert", "Android, microcontrollers"),
}
# fmt: on


def chosen(names: Iterable[str]) -> dict[str, Format]:
    """The formats of these names.

    Raises:
        UserError: there is none of a name, or its packages are not installed.
    """
    rows = {}
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS, "tutelage export --help")
        row = FORMATS[name]
        needed = {*row.packages, RUNTIMES[Path(row.file).suffix].module.partition(".")[0]}
        missing = sorted(package for package in needed if importlib.util.find_spec(package) is None)
        if missing:
            raise UserError(
                f"format {name} needs {' and '.join(missing)}, not installed here",
                f"pip install 'tutelage[{row.extra}]'",
            )
        rows[name] = row
    return rows
