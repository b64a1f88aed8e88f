"""Lists what a student can be exported to; FORMATS is the only list."""

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage.edge.runtimes import kind_of
from tutelage.errors import UserError, unknown
from tutelage.export import environment

if TYPE_CHECKING:
    from tutelage.export.task import Task


class _Late:
    """A module of this folder whose functions import it when they are called: the table is read without torch."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, function: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            return getattr(importlib.import_module(f"tutelage.export.{self._name}"), function)(*arguments)

        return call


litert, onnx_files = _Late("litert"), _Late("onnx_files")
measured, measured_micro = _Late("measuring").measured, _Late("micro").measured_micro


class Format(NamedTuple):
    """One kind of file."""

    file: str
    """Its name in a run's folder; the suffix says which module of `edge/kinds` runs it, and writes it."""
    packages: tuple[str, ...]
    """Importable names that the writer and the runtime need."""
    extra: str
    """The extra that brings them; empty: tutelage always does."""
    summary: str
    write: Callable[["Task", Path], None] | None = None
    """Makes the file (and what belongs to it, under the same name with another suffix); None: its kind's `write`."""
    int8: bool = False
    """Whether it computes in 8 bits, and may so lose accuracy."""
    converters: bool = False
    """Whether the converters' environment makes it."""
    measure: Callable[["Task", Path], dict[str, Any]] = measured
    """Runs it."""

    @property
    def writer(self) -> Callable[["Task", Path], None]:
        """`write`, or that of its kind."""
        found = self.write or kind_of(Path(self.file)).write
        assert found is not None, f"nothing writes {self.file}"
        return found


# fmt: off
FORMATS: dict[str, Format] = {
    "onnx": Format("student.onnx", (), "", "ONNX Runtime, browsers, most other runtimes", onnx_files.write_onnx),
    "onnx-int8": Format("student-int8.onnx", (), "", "the same in 8 bits", onnx_files.write_int8, int8=True),
    "torch": Format("student.pt2", (), "", "PyTorch without this package"),
    "openvino": Format("student.xml", ("openvino",), "openvino", "Intel's processors", onnx_files.write_openvino),
    "executorch": Format("student.pte", ("executorch",), "executorch", "phones, Arm boards"),
    "litert": Format("student.tflite", ("ai_edge_litert",), "litert", "Android, channels last", litert.write_litert,
                     converters=True),
    "mcu": Format("student-int8.tflite", ("ai_edge_litert", "tflite_micro"), "mcu",
                  "microcontrollers: 8 bits, and the same in C", litert.write_micro, int8=True, converters=True,
                  measure=measured_micro),
}
# fmt: on


def chosen(names: Iterable[str], *, to_write: bool = True) -> dict[str, Format]:
    """The formats of these names.

    Args:
        names: Of FORMATS.
        to_write: Whether files are to be written, or only run.

    Raises:
        UserError: there is none of a name, or its packages are not installed.
    """
    rows = {}
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS, "tutelage export --help")
        row = FORMATS[name]
        needed = {*row.packages, kind_of(Path(row.file)).module.partition(".")[0]}
        missing = sorted(package for package in needed if importlib.util.find_spec(package) is None)
        commands = [f"pip install 'tutelage[{row.extra}]'"] if missing else []
        if to_write and row.converters and not environment.ready():
            missing.append("the converters' environment")
            commands.append(environment.MAKE)
        if missing:
            raise UserError(f"format {name} needs {' and '.join(missing)}, not installed here", " && ".join(commands))
        rows[name] = row
    return rows
