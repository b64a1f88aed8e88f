"""Runs the commands that only print: list, explain, recipe. `list` imports no torch."""

import argparse
import sys
import textwrap
from contextlib import suppress
from importlib import metadata

import tutelage
from tutelage import files
from tutelage.cli import terminal_columns
from tutelage.cli.parser import Parser
from tutelage.errors import UserError, unknown
from tutelage.names import shown

MOST = 20
"""Networks of other libraries that are built and shown: each takes a moment."""


def list_(arguments: list[str]) -> None:
    """`tutelage list KIND [--filter TEXT]`: one line for each thing there is to choose from."""
    kinds = {"methods": _methods, "models": _models, "datasets": _datasets, "recipes": _recipes}
    parser = Parser("tutelage list", description="What there is to choose from.")
    parser.add_argument("kind", metavar="KIND", nargs="?", help=" | ".join(kinds))
    parser.add_argument("--filter", default="", metavar="TEXT", help="only lines that contain this text; of models "
                        "also those of timm and torchvision")  # fmt: skip
    fit = parser.add_argument_group("which models fit a microcontroller")
    fit.add_argument("--fit-in", metavar="FLASH/RAM", help="what it has: 256k/96k")
    fit.add_argument("--size", type=int, metavar="PIXELS", help="a side of its images; default: the largest that fits")
    fit.add_argument("--classes", type=int, metavar="N", help="how many it tells apart; default: 10")
    chosen = parser.parse_args(arguments)
    if chosen.kind is None:
        raise UserError("usage: tutelage list " + "|".join(kinds), "tutelage list methods, for example")
    if chosen.kind not in kinds:
        raise unknown("list", chosen.kind, kinds)
    if chosen.fit_in is not None:
        _print(_fitting(chosen))
        return
    if chosen.size is not None or chosen.classes is not None:
        flag = "--size" if chosen.size is not None else "--classes"
        raise UserError(f"{flag} has no meaning without --fit-in", "tutelage list models --fit-in 256k/96k --size 64")
    rows = kinds[chosen.kind]()
    matching = [row for row in rows[1:] if chosen.filter.lower() in " ".join(row).lower()]
    others, more = _others(chosen.filter) if chosen.kind == "models" and chosen.filter else ([], 0)
    if not matching and not others:
        print(f"no line contains {shown(chosen.filter)}: --filter takes a part of a line, as it is", file=sys.stderr)
    _print([rows[0], *matching, *others])
    if more:
        print(f"and {more} more of timm and torchvision: a longer --filter shows them")


def explain_(arguments: list[str]) -> None:
    """`tutelage explain METHOD`: formula, fields, when to use it; of kd+at and of kd,at both, each for itself."""
    listing = "tutelage list methods shows their names"
    name = _one(arguments, "explain METHOD", listing)
    names = [part.strip() for part in name.replace(",", "+").split("+")]
    if not all(names):
        raise UserError(f'the name of a method is empty in "{shown(name)}"', listing)
    from tutelage.methods.declared import declarations
    from tutelage.methods.explain import explain

    with declarations():
        print("\n".join([explain(part) for part in names]))


def recipe_(arguments: list[str]) -> None:
    """`tutelage recipe NAME`: as TOML on stdout."""
    name = _one(arguments, "recipe NAME", "tutelage list recipes shows their names")
    from tutelage.methods.declared import declarations
    from tutelage.run import builtin, recipe
    from tutelage.run.builtin import photos

    with declarations():
        chosen = builtin.read(name)
        if builtin.is_short_for_photos(name):
            chosen, lines = photos.fitted(chosen)
            print("".join(f"# {line}\n" for line in lines), end="")
        print(recipe.to_toml(chosen), end="")


Rows = list[tuple[str, ...]]


def _methods() -> Rows:
    from tutelage.methods import METHODS

    rows: Rows = [("method", "paper", "year", "needs", "teacher")]
    for name, row in METHODS.items():
        teacher = "none" if not row.needs else "live" if "features" in row.needs else "cached"
        rows.append((name, row.paper, str(row.year), ", ".join(row.needs) or "-", teacher))
    return rows


def _models() -> Rows:
    from tutelage.models import MODELS, Model, ladder

    rows: Rows = [("model", "parameters", "multiply-adds (32 px)", "int8 flash, RAM", "stages", "summary", "paper")]
    for name, row in MODELS.items():
        stages, rung = ",".join(row.stages), ladder.measured(Model(name), ladder.SIZES[0])
        taken = f"{rung.flash / 1e3:,.0f}, {rung.ram / 1e3:,.0f} kB" if rung else ladder.why_not(Model(name))
        rows.append((name, f"{row.parameters:g} M", f"{row.macs:g} M", taken, stages, row.summary, row.paper))
    rows.append(("timm:NAME", "", "", "", "", "any network of timm", ""))
    rows.append(("torchvision:NAME", "", "", "", "", "any classifier of torchvision", ""))
    rows.append(("FILE.py:FUNCTION", "", "", "", "", "your own: FUNCTION(classes=...) returns a module", ""))
    return rows


def _fitting(chosen: argparse.Namespace) -> Rows:
    """`list models --fit-in`."""
    from tutelage.cli import fitting

    if chosen.kind != "models":
        raise UserError(f"--fit-in goes with models, not with {chosen.kind}", "tutelage list models --fit-in 256k/96k")
    size, classes = chosen.size or 0, 10 if chosen.classes is None else chosen.classes
    if size < 0 or classes < 1:
        raise UserError("--size is a number of pixels and --classes a number of classes", "--size 64 --classes 10")
    return fitting.listed(chosen.fit_in, size, classes)


def _others(text: str) -> tuple[Rows, int]:
    """The networks of timm and torchvision whose names contain a text, and how many there are beyond `MOST`.

    The answer is kept for the versions that gave it: to import these libraries takes seconds.
    """
    versions = [tutelage.__version__, *(metadata.version(library) for library in ("timm", "torchvision", "torch"))]
    file = files.cache_folder() / f"networks-{files.digest([text.lower(), MOST, *versions])[:16]}.json"
    with suppress(OSError, ValueError, TypeError):  # absent, or not as it was written
        rows, more = files.read_json(file)
        return [tuple(map(str, row)) for row in rows], int(more)
    rows, more = _of_libraries(text)
    with suppress(OSError):  # a folder that cannot be written is no obstacle to a list
        files.write_json(file, [rows, more])
    return rows, more


def _of_libraries(text: str) -> tuple[Rows, int]:
    from tutelage.models.sizes import matching, sized

    names = matching(text)
    rows: Rows = []
    for network in filter(None, map(sized, names[:MOST])):
        numbers = [f"{number / 1e6:.2f} M" if number else "?" for number in (network.parameters, network.macs)]
        pixels, stages = f"{numbers[1]} ({network.pixels} px)", ",".join(network.stages)
        rows.append((network.name, numbers[0], pixels, "", stages, "", ""))
    return rows, max(0, len(names) - MOST)


def _datasets() -> Rows:
    from tutelage.data import DATASETS

    rows: Rows = [("data set", "classes", "images", "train", "test", "source", "licence")]
    for name, row in DATASETS.items():
        shape = f"{row.channels} x {row.size} x {row.size}"
        rows.append((name, str(row.classes), shape, f"{row.train:,}", f"{row.test:,}", row.source, row.licence))
    return rows


def _recipes() -> Rows:
    from tutelage.run.builtin import RECIPES

    return [("recipe", "what it does"), *RECIPES.items()]


def _one(arguments: list[str], form: str, hint: str) -> str:
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"usage: tutelage {form}\n\n{hint}")
        raise SystemExit(0)
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError(f"usage: tutelage {form}", hint)
    return arguments[0]


def _print(rows: Rows) -> None:
    """In columns; where the terminal is too narrow for them, each row's cells under its name, with their headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = terminal_columns()
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if max(map(len, lines)) > columns:
        headings, *rows = rows
        lines = [line for row in rows for line in _stacked(headings, row, columns)]
    for line in lines:
        print(line)


def _stacked(headings: tuple[str, ...], row: tuple[str, ...], columns: int) -> list[str]:
    cells = [f"{heading} {cell}" for heading, cell in zip(headings[1:], row[1:], strict=True) if cell]
    text = ", ".join(cells) if len(headings) > 2 else "".join(row[1:])
    return [row[0], *textwrap.wrap(text, columns, initial_indent="    ", subsequent_indent="    ")]
