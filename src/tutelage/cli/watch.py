"""Runs `tutelage watch`, which draws what runs write while they go on. It only reads files, and imports no torch."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tutelage import files, sealed
from tutelage.cli.braille import Curve, plot
from tutelage.cli.parser import Parser
from tutelage.errors import Damaged, UserError
from tutelage.names import shown
from tutelage.progress import duration
from tutelage.shares import percent

LOOK_EVERY_S = 1.0
STYLES = ("bright_black", "cyan", "magenta", "green", "red", "blue", "yellow")
"""The colours of the methods, in their order; the baseline first. All can be read on black and on white."""


@dataclass(frozen=True)
class Watched:
    """A run as far as it has come: nothing is asked but its files."""

    method: str
    seed: int
    epochs: int
    folder: Path | None
    """None: not begun, or removed."""

    @property
    def done(self) -> bool:
        """Whether its last step has been made."""
        return self.folder is not None and (self.folder / "DONE").exists()

    def curve(self, split: str, name: str) -> tuple[list[float], list[float]]:
        """Epochs (steps, where none has ended yet) and values of one metric."""
        lines = self._lines()
        ends = [line["step"] for line in lines if line["split"] == "val"]
        steps_in_epoch = ends[0] if ends else 1
        chosen = [line for line in lines if (line["split"], line["name"]) == (split, name)]
        return [line["step"] / steps_in_epoch for line in chosen], [line["value"] for line in chosen]

    def silent_s(self) -> float | None:
        """Seconds since it wrote its last line."""
        file = self.folder / "metrics.jsonl" if self.folder else None
        return max(0.0, time.time() - file.stat().st_mtime) if file and file.exists() else None

    def _lines(self) -> list[dict[str, Any]]:
        file = self.folder / "metrics.jsonl" if self.folder else None
        if file is None or not file.exists():
            return []
        facts = file.stat()
        return _read(file, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(file: Path, size: int, mtime_ns: int) -> list[dict[str, Any]]:
    """The lines of a file that has that size and time: read again only once it changed."""
    return files.read_lines(file)


def watch(arguments: list[str]) -> None:
    """Draws a run or a study until all of it is trained; where its output is piped, tells it once."""
    parser = Parser("tutelage watch", description="Live curves of a run or of a study's runs.")
    parser.add_argument("folder", type=Path, metavar="RUN_OR_STUDY")
    parser.add_argument("--once", action="store_true", help="what there is now, and no more")
    chosen = parser.parse_args(arguments)
    find(chosen.folder)
    console = Console(highlight=False)
    if chosen.once or not console.is_terminal:
        if not console.is_terminal:
            console = Console(highlight=False, width=120, color_system=None)
        console.print(drawn(find(chosen.folder), console, curves=console.is_terminal))
        return
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                runs = find(chosen.folder)
                live.update(drawn(runs, console), refresh=True)
                if all(run.done for run in runs) or (chosen.folder / "results.json").exists():
                    break
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return
    if (chosen.folder / "report.html").exists():
        console.print(Text(shown(f"report: {chosen.folder / 'report.html'}")))


def find(folder: Path) -> list[Watched]:
    """The run of a folder, or the runs of a study's folder in the order in which they are trained.

    Raises:
        UserError: the folder holds neither.
    """
    if (folder / "recipe.json").is_file():
        return [_watched(sealed.read_json(folder / "recipe.json"), folder)]
    if not (folder / "study.json").is_file():
        hint = "tutelage train and tutelage distill make them in runs, or where --runs says"
        raise UserError(f"{folder} holds no run and no study", hint)
    study = sealed.read_json(folder / "study.json")
    # Named by what they hold, as every run is: a run of this study is one with the recipe that the study says.
    begun = {}
    for file in sorted(folder.parent.glob("*/recipe.json")):
        with suppress(Damaged):  # of another study, or named by training it
            begun[files.digest(sealed.read_json(file))] = file.parent
    wanted = [recipe | {"seed": seed} for seed in study["seeds"] for recipe in study["recipes"]]
    return [_watched(recipe, begun.get(files.digest(recipe))) for recipe in wanted]


def drawn(runs: list[Watched], console: Console, *, curves: bool = True) -> Group:
    """A line a run, and the curves of all; without colours (NO_COLOR) those of each method by themselves."""
    methods = list(dict.fromkeys(run.method for run in runs))
    styles = {method: STYLES[number % len(STYLES)] for number, method in enumerate(methods)}
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("method")
    for name in ("seed", "epoch", "loss", "val top-1", "best val", ""):
        table.add_column(name, justify="right" if name else "left")
    for run in runs:
        table.add_row(*_row(run, styles[run.method]))
    parts: list[Any] = [table]
    if curves:
        named = [("val top-1 by epoch", "val", "top1", 14)]
        if len(runs) == 1:
            named.append(("training loss by epoch", "train", "loss", 10))
        together = [(method,) for method in methods] if console.no_color else [tuple(methods)]
        for title, split, name, height in named:
            every = [(run.method, Curve(*run.curve(split, name), styles[run.method])) for run in runs]
            for some in together:
                title_of = f", {shown(some[0])}" if len(together) > 1 else ""
                lines = [curve for method, curve in every if method in some]
                among = [curve for _, curve in every]
                parts += [Text(f"\n{title}{title_of}", "bold"), *plot(lines, min(console.width, 110), height, among)]
    return Group(*parts)


def _row(run: Watched, style: str) -> list[Text]:
    epochs, top1 = run.curve("val", "top1")
    steps, losses = run.curve("train", "loss")
    silent = run.silent_s()
    if run.done:
        state = Text("done", "green")
    elif run.folder is None:
        state = Text("not begun", "dim")
    elif silent is None:
        state = Text("beginning", "dim")
    else:
        state = Text(f"last news {duration(silent)} ago", "dim")
    progress = f"{steps[-1]:.1f} of {run.epochs}" if epochs else f"step {steps[-1]:.0f}" if steps else "-"
    return [
        Text(shown(run.method), style),
        Text(str(run.seed)),
        Text(progress),
        Text(f"{losses[-1]:.4g}" if losses else "-"),
        Text(percent(top1[-1], 2) if top1 else "-"),
        Text(percent(max(top1), 2) if top1 else "-"),
        state,
    ]


def _watched(recipe: dict[str, Any], folder: Path | None) -> Watched:
    return Watched(_words(recipe["method"]), recipe["seed"], recipe["fit"]["epochs"], folder)


def _words(method: dict[str, Any]) -> str:
    """As `recipe.method_words`, from plain values."""
    parts = [_words(value) for value in method.values() if isinstance(value, dict) and "name" in value]
    return "+".join(parts) or method["name"]
