"""What students for microcontrollers take, flash, RAM and multiply-adds, at every size of the ladder.

Every network of `models/ladder.py` is exported with initial weights by `--format mcu` at 96 pixels and run once by
TensorFlow Lite Micro; at other sizes it runs the same file with the shapes of those, or a file of its own
(`CONVERTED`): the arenas of both are compared. Needs tutelage[mcu] and the converters' environment (tutelage export
--make-converters); some ten seconds of a core a file. What is in ladder.json already is kept, size by size, so that it
can be stopped; --anew measures all again.

    python benchmarks/ladder.py                # writes src/tutelage/models/ladder.json and docs/results/ladder.md
    python benchmarks/ladder.py --only resnet8 # those whose names contain it
"""

import argparse
import json
import os
import subprocess
import tempfile
from importlib import import_module, resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _common import RESULTS
from tutelage import files
from tutelage.errors import UserError
from tutelage.export import converter, environment, graph, litert
from tutelage.export.needs import needs
from tutelage.export.task import ANY_CHIP
from tutelage.models import DataSpec, Model, ladder
from tutelage.models.building import build
from tutelage.models.count import macs

TABLE = Path(str(resources.files("tutelage.models").joinpath("ladder.json")))
FIRST = 96
"""The size at which a network of the ladder is converted."""
CONVERTED = ("resnet8", "ds_cnn", "mobilenet_v1, width 0.25")
"""Those that are converted at every size. Of the others the file is given the shapes of other sizes, which is quick."""
COMPARED = CONVERTED[-1]
"""Of which both is done, and compared."""
MORE = 64
"""Classes more, from which a class's own bytes are found."""
SERVE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("converter", sys.argv[1])
converter = importlib.util.module_from_spec(spec)
spec.loader.exec_module(converter)
from pathlib import Path
print("ready", flush=True)
for line in sys.stdin:
    verb, *paths = line.rstrip("\\n").split("\\t")
    try:
        getattr(converter, verb)(*map(Path, paths))
        print("CONVERTED", flush=True)
    except Exception as error:
        print("CONVERTED", str(error).splitlines()[:1], flush=True)
"""
"""The converters in one process for many files: importing them takes longer than converting."""


def main() -> None:
    """Measures what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--anew", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    whole = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {"networks": {}}
    for model in ladder.every():
        name = ladder.called(model)
        known = {} if chosen.anew else whole["networks"].get(name, {})
        if chosen.only not in name or ("lacks" in known) or {*map(str, sizes_of(name))} <= {*known.get("sizes", {})}:
            continue
        process = Converters()
        litert.environment.run = process.run
        whole["networks"][name] = of_network(model, name, known)
        process.close()
        whole["made_by"] = {name: version(name) for name in ("tflite-micro", "torch")} | {
            "converters": list(environment.PACKAGES)
        }
        with files.appearing(TABLE) as beside:
            beside.write_text(as_json(whole), encoding="utf-8")
        print(name, whole["networks"][name], flush=True)
    (RESULTS / "ladder.md").write_text(page(), encoding="utf-8")


class Converters:
    """What `environment.run` does, in one process."""

    def __init__(self) -> None:
        python = environment.folder() / "bin" / "python"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [python, "-P", "-c", SERVE, converter.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=plain,
        )  # fmt: skip

    def run(self, *words: str | Path) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = next((line for line in self.process.stdout if line.startswith("CONVERTED")), "CONVERTED it ended")
        if answer.strip() != "CONVERTED":
            raise UserError(f"the network cannot be converted: {answer.strip()[10:]}", "choose a simpler student")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def sizes_of(name: str) -> tuple[int, ...]:
    """Those at which a network is measured: all for the ladder's, the first for others."""
    return ladder.SIZES if name in map(ladder.called, ladder.models()) else ladder.SIZES[:1]


def of_network(model: Model, name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Its numbers by size, and those of one class more; `lacks` where it cannot be exported.

    Args:
        model: Of the ladder, or any other.
        name: What the table calls it.
        known: What the table has of it: sizes that are there are not measured again.
    """
    sizes, known = sizes_of(name), known.get("sizes", {})
    at = FIRST if FIRST in sizes else sizes[0]
    missing = [size for size in sizes if str(size) not in known]
    try:
        content, first = written(model, at, ladder.CLASSES)
        if sizes == (at,):
            return {"sizes": {str(at): first}}
        row = {key: known[key] for key in ("resized_apart", "class") if key in known}
        row = row or {"class": of_a_class(first, written(model, at, ladder.CLASSES + MORE)[1])}
        if name.startswith(CONVERTED):
            found = {size: first if size == at else written(model, size, ladder.CLASSES)[1] for size in missing}
        else:
            found = {size: resized_to(model, content, size) for size in missing}
    except UserError as error:
        return {"lacks": error.message}
    if name == COMPARED:
        numbers = [(resized_to(model, content, size), found[size]) for size in missing]
        apart = [abs(memory(one) / memory(other) - 1) for one, other in numbers]
        row = {"resized_apart": max(apart + [row.get("resized_apart", 0.0)]), "class": row["class"]}
    every = {**known, **{str(size): of_size for size, of_size in found.items()}}
    return row | {"sizes": {str(size): every[str(size)] for size in sizes}}


def of_a_class(few: dict[str, int], many: dict[str, int]) -> dict[str, int]:
    """What one class more takes, by a file of `MORE` classes more."""
    parts = {"model": ("model",), "ram": ("head", "tail"), "macs": ("macs",)}
    return {key: -(-sum(many[part] - few[part] for part in parts_of) // MORE) for key, parts_of in parts.items()}


def written(model: Model, size: int, classes: int) -> tuple[bytes, dict[str, int]]:
    """A file of initial weights, and its numbers."""
    spec = DataSpec(classes, 3, size, (0.5,) * 3, (0.25,) * 3)
    network = build(model, spec).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.tflite"
        litert.write_rounded(network, [torch.rand(1, 3, size, size)], ANY_CHIP, path)
        return path.read_bytes(), numbers(path, macs(network, (1, 3, size, size)))


def resized_to(model: Model, content: bytes, size: int) -> dict[str, int]:
    """The numbers of a file whose images have another size."""
    spec = DataSpec(ladder.CLASSES, 3, size, (0.5,) * 3, (0.25,) * 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.tflite"
        path.write_bytes(resized(content, size))
        return numbers(path, macs(build(model, spec).eval(), (1, 3, size, size)))


def numbers(path: Path, count: int) -> dict[str, int]:
    """Of one file, run by TensorFlow Lite Micro."""
    taken = needs(path)
    return {name: getattr(taken, name) for name in ("model", "code", "head", "tail")} | {"macs": count}


def memory(bytes_of: dict[str, int]) -> int:
    """Bytes of the arena."""
    return bytes_of["head"] + bytes_of["tail"]


def resized(content: bytes, size: int) -> bytes:
    """A file whose tensors have the shapes of images of another size; the weights stay."""
    schema = import_module("tflite_micro").runtime.schema_fb
    model = graph._model(content)
    (subgraph,) = model.subgraphs
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    tensor = subgraph.tensors[subgraph.inputs[0]]
    tensor.shape = np.array([1, size, size, tensor.shape[3]], np.int32)
    for step in subgraph.operators:
        code = model.operatorCodes[step.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        entering, made = (subgraph.tensors[index] for index in (step.inputs[0], step.outputs[0]))
        shape, options = list(entering.shape), step.builtinOptions
        if name in ("PAD", "TRANSPOSE"):
            buffer = model.buffers[subgraph.tensors[step.inputs[1]].buffer]
            constants = np.frombuffer(bytes(buffer.data), np.int32)
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel, strides = subgraph.tensors[step.inputs[1]].shape[1:3], (options.strideH, options.strideW)
            if options.padding == schema.Padding.SAME:
                sides = [-(-side // by) for side, by in zip(shape[1:3], strides)]
            else:
                sides = [(side - wide) // by + 1 for side, wide, by in zip(shape[1:3], kernel, strides)]
            shape = [1, *sides, made.shape[3]]
        elif name == "PAD":
            shape = [side + int(more) for side, more in zip(shape, constants.reshape(-1, 2).sum(1))]
        elif name == "TRANSPOSE":
            shape = [shape[axis] for axis in constants]
        elif len(made.shape) == 2:
            shape = list(made.shape)
        elif name != "ADD":
            raise ValueError(f"{name} is not known here")
        made.shape = np.array(shape, np.int32)
    builder = graph._aligned(import_module("flatbuffers").Builder)(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def as_json(whole: dict[str, Any]) -> str:
    """A line for every size, so that what changed can be seen."""
    lines = [f' "made_by": {json.dumps(whole["made_by"])},', ' "networks": {']
    for name, row in whole["networks"].items():
        lines.append(f"  {json.dumps(name)}: {{")
        if "lacks" in row:
            lines.append(f'   "lacks": {json.dumps(row["lacks"])}')
        else:
            if "resized_apart" in row:
                lines.append(f'   "resized_apart": {row["resized_apart"]:.2g},')
            if "class" in row:
                lines.append(f'   "class": {json.dumps(row["class"])},')
            lines.append('   "sizes": {')
            lines += [f"    {json.dumps(size)}: {json.dumps(needs_at)}," for size, needs_at in row["sizes"].items()]
            lines[-1] = lines[-1].rstrip(",")
            lines.append("   }")
        lines.append("  },")
    lines[-1] = "  }"
    return "{\n" + "\n".join(lines) + "\n }\n}\n"


def page() -> str:
    """docs/results/ladder.md."""
    ladder._table.cache_clear()
    apart = ladder._table()[COMPARED]["resized_apart"]
    lines = [
        "# The ladder of students for microcontrollers",
        "",
        "`python benchmarks/ladder.py`: each network exported by `--format mcu` with initial weights, at "
        f"{ladder.CLASSES} classes and 3 channels, and run once by TensorFlow Lite Micro. `--fit-in` chooses from this "
        "table. Flash in kB: the model, and about 40 kB of code, an estimate. RAM in kB: the tensor arena with 64-bit "
        "pointers; a 32-bit controller takes less. The larger networks were converted at 96 pixels, and TensorFlow "
        f"Lite Micro ran the same file with the shapes of the other sizes; of {COMPARED} every size was converted too, "
        f"and the arenas are at most {apart:.2%} apart. No accuracy: that is what you train them for.",
        "",
        f"| network | flash | {' | '.join(f'RAM, {size} px' for size in ladder.SIZES)} | multiply-adds, 96 px |",
        "|---" * (len(ladder.SIZES) + 3) + "|",
    ]
    for model in ladder.models():
        found = [ladder.measured(model, size) for size in ladder.SIZES]
        rows = [rung for rung in found if rung]
        if len(rows) < len(found):
            continue
        ram = " | ".join(f"{rung.ram / 1e3:,.0f}" for rung in rows)
        count = rows[ladder.SIZES.index(96)].macs
        lines.append(f"| {rows[0].name} | {rows[0].flash / 1e3:,.0f} | {ram} | {count / 1e6:,.1f} M |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
