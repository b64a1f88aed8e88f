"""The commands around a file for a device. Those that need no run import no torch."""

import argparse
from pathlib import Path
from typing import Any


def export(arguments: list[str]) -> None:
    """A finished run's student as files, each measured by running it."""
    from tutelage import data
    from tutelage.export import MAX_DROP, export
    from tutelage.export.formats import FORMATS
    from tutelage.modelcard import write_model_card
    from tutelage.predictions import evaluate_run
    from tutelage.run import Run

    width = max(map(len, FORMATS))
    parser = argparse.ArgumentParser(
        "tutelage export",
        description="A finished run's student as files for a device, each measured by running it on val.",
        epilog="formats:\n" + "\n".join(f"  {name:<{width}}  {row.summary}" for name, row in FORMATS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--format", default="onnx", metavar="F,F", help="of those below; default: onnx")
    parser.add_argument("--force", action="store_true", help=f"keep int8 that loses over {100 * MAX_DROP:g} points")
    parser.add_argument("--data-root", type=Path)
    chosen = parser.parse_args(arguments)
    run = Run.open(chosen.run)
    names = tuple(name for name in chosen.format.split(",") if name)
    dataset = data.load(run.recipe.data, chosen.data_root)
    told = export(run, dataset, names, force=chosen.force)
    evaluate_run(run, dataset, run.path.parent)
    card = write_model_card(run)
    print("\n".join(_table(list(told), list(told.values()))))
    print(f"in {run.path}, beside card.json and {card.name}")


COLUMNS: dict[str, Any] = {
    "file": lambda one: one["file"],
    "size": lambda one: f"{one['bytes'] / 1e3:,.0f} kB",
    "val top-1": lambda one: f"{one['val_top1']:.2%}",
    "less than PyTorch's": lambda one: f"{100 * one['drop']:.2f} points",
    "same predictions": lambda one: f"{one['same_predictions']:.2%}",
    "ms an image p50, p90": lambda one: f"{one['latency_ms']['p50']:.3f}, {one['latency_ms']['p90']:.3f}",
    "memory of the file, process": lambda one: f"{one['file_bytes'] / 1e6:.0f}, {one['peak_bytes'] / 1e6:.0f} MB",
}


def _table(names: list[str], rows: list[dict[str, Any]]) -> list[str]:
    """A header and a line for each row, in columns."""
    lines = [
        ["format", *COLUMNS],
        *([name, *(column(row) for column in COLUMNS.values())] for name, row in zip(names, rows)),
    ]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
