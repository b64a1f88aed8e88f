"""Runs the commands around files for devices. `predict`, and `bench` of files, import no torch."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tutelage.cli import terminal_columns
from tutelage.cli.parser import Parser
from tutelage.errors import UserError
from tutelage.names import printable, shown
from tutelage.shares import percent


def export(arguments: list[str]) -> None:
    """A finished run's student as files, each measured by running it."""
    from tutelage.edge import bytes as sizes
    from tutelage.export import environment, export, formats, npu
    from tutelage.run.folder import Run

    chosen = _export_parser().parse_args(arguments)
    if chosen.finish < 0:
        raise UserError(f"--finish {chosen.finish}", "give a number of epochs, 1 or more")
    if chosen.make_converters:
        print(f"the converters' environment is in {environment.make()}")
    if chosen.run is None:
        if chosen.make_converters:
            return
        raise UserError("export needs a run's folder", "tutelage export runs/NAME")
    flash, ram = (
        None if value is None else sizes.parsed(value, f"--{name}")
        for name, value in (("flash", chosen.flash), ("ram", chosen.ram))
    )
    run = Run.open(chosen.run)
    names = tuple(name for name in chosen.format.split(",") if name)
    if chosen.npu:
        npu.check(chosen.npu)
    if "mcu" not in names:
        for name, default in {"input": "int8", "softmax": False, "flash": None, "ram": None, "npu": None}.items():
            if getattr(chosen, name) != default:
                raise UserError(f"--{name} goes with the format mcu", f"--format mcu, or leave --{name} out")
    formats.chosen(names)
    from tutelage import data
    from tutelage.export.modelcard import write_model_card
    from tutelage.export.task import Micro
    from tutelage.training.predictions import evaluate_run

    micro = Micro(chosen.input, chosen.softmax, flash, ram, chosen.npu or "")
    dataset = data.load(run.recipe.data, chosen.data_root)
    results = export(run, dataset, names, force=chosen.force, finish=chosen.finish, micro=micro)
    evaluate_run(run, dataset)
    card = write_model_card(run)
    print("\n".join(table(EXPORTED, [{"name": name} | result for name, result in results.items()])))
    print(shown(f"in {run.path}, with card.json and {card.name}"))
    for line in _what_was_found(results):
        print(line)


def _export_parser() -> argparse.ArgumentParser:
    from tutelage.export import MAX_DROP
    from tutelage.export.formats import FORMATS

    width = max(map(len, FORMATS))
    parser = Parser(
        "tutelage export",
        description="A finished run's student as files for a device, each measured by running it on val.",
        epilog="formats:\n" + "\n".join(f"  {name:<{width}}  {row.summary}" for name, row in FORMATS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="its folder, runs/NAME")
    parser.add_argument("--format", default="onnx", metavar="F,F", help="of those below; default: onnx")
    parser.add_argument("--finish", type=int, default=0, metavar="EPOCHS", help="distil int8 on, computing in 8 bits")
    parser.add_argument("--force", action="store_true", help=f"keep int8 that loses over {100 * MAX_DROP:g} points")
    mcu = parser.add_argument_group("of the format mcu")
    mcu.add_argument("--input", choices=("int8", "uint8"), default="int8", help="bytes less 128, or as they are")
    mcu.add_argument("--softmax", action="store_true", help="answers are probabilities; else logits")
    mcu.add_argument("--flash", metavar="SIZE", help="refuse a student that takes more: 256k")
    mcu.add_argument("--ram", metavar="SIZE", help="refuse a student whose tensor arena is larger: 96k")
    mcu.add_argument("--npu", metavar="NAME", help="compile it for Arm's NPU too, by ethos-u-vela: ethos-u55-128")
    parser.add_argument("--make-converters", action="store_true", help="make the environment that litert and mcu need")
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where data sets are; else $TUTELAGE_DATA")
    return parser


def _what_was_found(results: dict[str, Any]) -> Iterator[str]:
    """What the table of exported files does not say: where 8 bits were measured, memory, finishing."""
    from tutelage.export import OFFER, npu
    from tutelage.export.formats import FORMATS

    if any(FORMATS[name].int8 for name in results):
        result = next(iter(results.values()))
        products = ", ".join(result["int8_instructions"]) or "unknown"
        yield f"measured on {result['processor']}; 8-bit products by {products}"
    for name, result in results.items():
        if "flash_bytes" in result:
            yield MICRO.format(**result)
        if "npu" in result:
            yield npu.in_words(result["npu"])
        if "finish" in result:
            finish = result["finish"]
            before, after = (percent(finish[when], 2) for when in ("before", "after"))
            yield f"{finish['epochs']} more epochs in 8 bits: {before} before, {after} after"
        elif FORMATS[name].int8 and result["drop"] > OFFER:
            yield f"{name} loses {100 * result['drop']:.2f} points: --finish 3 trains it on, computing in 8 bits"


def predict(arguments: list[str]) -> None:
    """Pictures through an exported student."""
    parser = Parser(
        "tutelage predict",
        description="What an exported student says of pictures. Needs onnxruntime, numpy and pillow; no torch.",
    )
    parser.add_argument("student", type=Path, metavar="FILE", help="an exported file, or a run's folder")
    parser.add_argument(
        "pictures", type=Path, nargs="+", metavar="PICTURE", help="files, or folders whose pictures are meant"
    )
    parser.add_argument("--top", type=int, default=1, help="how many classes to name; default: 1")
    parser.add_argument("--json", action="store_true", help="as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.top < 1:
        raise UserError(f"--top {chosen.top}", "give 1 or more")
    try:
        from tutelage.edge.pixels import left_out, pictures_of, read_picture, softmax
        from tutelage.edge.runtimes import open_file
    except ModuleNotFoundError as error:
        raise UserError(f"predict needs {error.name}, not installed here", "pip install numpy pillow") from None
    student = open_file(_exported(chosen))
    card = student.card()
    results: list[dict[str, Any]] = []
    for picture in [file for given in chosen.pictures for file in pictures_of(given)]:
        try:
            shares = softmax(student.infer(read_picture(picture, card))[0])
        except UserError as error:
            results.append({"file": str(picture), "error": error.message})
            if not chosen.json:
                print(printable(f"error: {error.message}"), file=sys.stderr)
            continue
        best = (-shares).argsort(kind="stable")[: chosen.top]
        top = [{"class": card.classes[i], "probability": round(float(shares[i]), 4)} for i in best]
        results.append({"file": str(picture), "top": top})
        if not chosen.json:
            named = ", ".join(f"{shown(str(answer['class']))} {percent(answer['probability'])}" for answer in top)
            print(f"{shown(str(picture))}: {named}")
    if chosen.json:
        print(json.dumps(results, indent=2))
    for sentence in filter(None, map(left_out, chosen.pictures)):
        print(printable(sentence), file=sys.stderr)
    if any("error" in result for result in results):
        sys.exit(2)


def _exported(chosen: argparse.Namespace) -> Path:
    """The exported file that `predict` was given first.

    Raises:
        UserError: what was given first is none; says the command in the right order where another word is one.
    """
    from tutelage.edge.runtimes import KINDS

    def is_student(path: Path) -> bool:
        if path.is_dir():
            return any((path / name).is_file() for name in ("student.onnx", "recipe.json"))
        return path.suffix in KINDS

    if is_student(chosen.student):
        return chosen.student / "student.onnx" if chosen.student.is_dir() else chosen.student
    first = str(chosen.student)
    if meant := next(filter(is_student, chosen.pictures), None):
        pictures = [first, *(str(path) for path in chosen.pictures if path != meant)]
        flags = [*(["--top", str(chosen.top)] if chosen.top != 1 else []), *(["--json"] if chosen.json else [])]
        words = [*pictures[:3], *(["..."] if len(pictures) > 3 else [])]
        raise UserError(
            f"{first} stands where the student belongs, and the student, {meant}, among the pictures",
            f"the student comes first: tutelage predict {shlex.join([str(meant), *words, *flags])}",
        )
    what = "is a folder without an exported student" if chosen.student.is_dir() else "is no exported student"
    raise UserError(
        f"{first} {what}" if chosen.student.exists() else f"there is no {first}",
        f"tutelage predict STUDENT PICTURES: STUDENT is a file that tutelage export RUN wrote ({', '.join(KINDS)}), "
        "or RUN itself",
    )


def bench(arguments: list[str]) -> None:
    """Files, and runs with their teachers, compared on this machine."""
    parser = Parser(
        "tutelage bench",
        description="Latency, throughput, memory and size of exported files on this machine, one thread, in turn. "
        "A run stands for its exported files, and for its student and its teacher in PyTorch.",
    )
    parser.add_argument("what", type=Path, nargs="+", metavar="FILE|RUN")
    parser.add_argument("--batch", type=int, default=32, help="images at once for the throughput; default: 32")
    parser.add_argument("--rounds", type=int, default=20, help="more: a steadier number; default: 20")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where data sets are; else $TUTELAGE_DATA")
    chosen = parser.parse_args(arguments)
    if min(chosen.batch, chosen.rounds) < 1:
        raise UserError("--batch and --rounds are counts", "give 1 or more")
    from tutelage.edge.comparing import Contestant, compare
    from tutelage.edge.runtimes import open_file

    runs = [path for path in chosen.what if path.is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        contestants = []
        for number, path in enumerate(chosen.what):
            if path.is_dir():
                from tutelage.export.contest import of_run

                contestants += of_run(path, Path(folder) / str(number), chosen.data_root)
            else:
                contestants.append(Contestant(str(path), path, open_file(path).card().shape))
        rows = compare(contestants, rounds=chosen.rounds, batch=chosen.batch)
    for run in runs:
        from tutelage import files

        files.write_json(run / "bench.json", rows)
    more = MICROCONTROLLER if any(row["flash_bytes"] for row in rows) else {}
    more |= NPU if any(row["npu"] for row in rows) else {}
    print(json.dumps(rows, indent=2) if chosen.json else "\n".join(table(BENCHED | more, rows)))
    if runs and not chosen.json:
        print("* no other here is both faster and more accurate")


MICRO = (
    "flash  {flash_bytes[total]:,} bytes: {flash_bytes[model]:,} of the model, "
    "about {flash_bytes[code_estimate]:,} of code (an estimate)"
    "\nRAM    {ram_bytes[arena]:,} bytes of tensor arena: {ram_bytes[head]:,} for activations, "
    "{ram_bytes[tail]:,} for the interpreter (at most)"
    "\n       {macs:,} multiply-adds an image; val was run by TensorFlow Lite Micro, "
    "LiteRT is up to {litert_steps_apart} of 256 steps apart"
    "\n       c/README.md says how to build it"
)
"""What is told of a file for a microcontroller besides the table."""

Columns = dict[str, Any]
"""By heading: from a result to what stands in the cell."""

LATENCY: Columns = {"ms an image p50, p90": lambda result: "{p50:.3f}, {p90:.3f}".format(**result["latency_ms"])}
SIZE: Columns = {"size": lambda result: f"{result['bytes'] / 1e3:,.0f} kB"}
MEMORY: Columns = {
    "memory of the file": lambda result: _megabytes(result["file_bytes"]),
    "of its process": lambda result: _megabytes(result["peak_bytes"]),
}
EXPORTED: Columns = {
    "format": lambda result: result["name"],
    "file": lambda result: result["file"],
    **SIZE,
    "val top-1": lambda result: percent(result["val_top1"], 2),
    "from files": lambda result: f"{percent(result['from_files']['top1'], 2)} of {result['from_files']['images']:,}",
    "lost to PyTorch": lambda result: f"{100 * result['drop']:.2f} points",
    "same predictions": lambda result: percent(result["same_predictions"], 2),
    **LATENCY,
    **MEMORY,
}
BENCHED: Columns = {
    "file": lambda result: result["name"] + (" *" if result["pareto"] else ""),
    **SIZE,
    "val top-1": lambda result: "" if result["val_top1"] is None else percent(result["val_top1"], 2),
    **LATENCY,
    "images/s": lambda result: f"{result['images_per_second']:,.0f} (batch {result['batch']})",
    **MEMORY,
}
MICROCONTROLLER: Columns = {
    "flash, RAM": lambda result: (
        "" if result["flash_bytes"] is None else f"{result['flash_bytes']:,}, {result['ram_bytes']:,}"
    ),
}
"""Of files for one."""
NPU: Columns = {
    "NPU, by Vela": lambda result: (
        "" if result["npu"] is None else "{npu}: {cycles:,} cycles, {sram_bytes:,} of SRAM".format(**result["npu"])
    ),
}
"""Of files that were compiled for one."""


def _megabytes(count: int | None) -> str:
    return "not measured" if count is None else f"{count / 1e6:.0f} MB"


def table(columns: Columns, rows: list[dict[str, Any]]) -> list[str]:
    """A line of headings and one for each row; where they are too long for the terminal, a line for each heading."""
    cells = [list(columns), *([shown(cell(row)) for cell in columns.values()] for row in rows)]
    lines = _aligned(cells)
    return lines if max(map(len, lines)) <= terminal_columns() else _aligned([*map(list, zip(*cells, strict=True))])


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
