"""Writes a student as C: its bytes, its constants, its labels, and a program that runs it by TensorFlow Lite Micro."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from tutelage.edge.flatbuffer import Program
from tutelage.export.needs import Needs
from tutelage.export.resolver import RESOLVER
from tutelage.progress import size

FOLDER = "c"
"""Beside the file."""
MARGIN = 1024
"""Bytes more than the arena was measured to be, as the interpreter's authors advise."""


def write(
    folder: Path, model: bytes, program: Program, classes: Iterable[str], needs: Needs, *, probabilities: bool
) -> None:
    """Makes a folder of C.

    Args:
        folder: Where its files go.
        model: The flat buffer, without a card at its end.
        program: Its input and output.
        classes: Names, in the order of the answers.
        needs: What it takes to run.
        probabilities: Whether that is what it answers; else logits.
    """
    folder.mkdir(parents=True)
    input_, output, _ = program
    _, height, width, channels = input_.shape
    labels = [f'    "{escaped(name)}",' for name in classes]
    values = {
        "BYTES": len(model),
        "ARENA": needs.arena + MARGIN + -(needs.arena + MARGIN) % 16,
        "HEIGHT": height,
        "WIDTH": width,
        "CHANNELS": channels,
        "CLASSES": len(labels),
        "ELEMENT": input_.dtype.name + "_t",
        "OFFSET": 128 if input_.dtype.name == "int8" else 0,
        "INPUT_SCALE": f"{input_.scale:.9g}f",
        "INPUT_ZERO": input_.zero,
        "OUTPUT_SCALE": f"{output.scale:.9g}f",
        "OUTPUT_ZERO": output.zero,
        "PROBABILITIES": int(probabilities),
        "LABELS": "\n".join(labels),
        "DATA": "\n".join(_rows(model)),
        "COUNT": len(needs.operators),
        "REGISTER": "\n".join(
            f"      resolver.Add{RESOLVER[name].method}() != kTfLiteOk ||" for name in needs.operators
        ),
        "COLOURS": "grey" if channels == 1 else "red, green, blue",
        "FLASH": size(needs.flash),
        "RAM": size(needs.arena),
    }
    for template in sorted(resources.files("tutelage.export").joinpath("c").iterdir(), key=lambda file: file.name):
        text = template.read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (folder / template.name).write_text(text, encoding="utf-8")


def escaped(name: str) -> str:
    """A name as the inside of a C string: everything but plain letters, digits and signs as three octal digits.

    >>> print(escaped('a "quoted" name?\\n'))
    a \\042quoted\\042 name\\077\\012
    """
    plain = set(range(32, 127)) - set(b'"\\?')
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in name.encode())


def _rows(model: bytes) -> Iterable[str]:
    for start in range(0, len(model), 20):
        yield "    " + ", ".join(map(str, model[start : start + 20])) + ","
