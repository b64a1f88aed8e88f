"""Says in sentences, the same for terminal and page: cost, test openings, who is handed over, what to keep in mind."""

import copy
import statistics
from collections.abc import Callable
from typing import Any, Literal

from tutelage.measure.statistics import how_little, paired_gain
from tutelage.progress import counted, duration, size
from tutelage.report import text
from tutelage.report.results import Cost, Exported, Openings, Results
from tutelage.report.summary import Summary
from tutelage.run import conditions


def cost(results: Results) -> str:
    """Time on the clock, training within it, and what was found done.

    Results from before commands were noted say only how long the runs were trained for.
    """
    spent, several = results["cost"], len(results["rows"]) * len(results["seeds"])
    trained: dict[str, float] = {"students": spent["training_seconds"], "teachers": spent["teacher_training_seconds"]}
    own = spent.get("own_seconds", {})
    whose: dict[Literal["students", "teachers"], str] = {
        "students": "training students",
        "teachers": "training the teacher",
    }
    commands = f" over {spent['commands']} commands" if spent.get("commands", 1) > 1 else ""
    parts = [f"{duration(spent['wall_seconds'])} in all{commands}"]
    if own:
        spans = [(duration(own[who]), words) for who, words in whose.items() if own[who]]
        if sum(own.values()) > spent["wall_seconds"]:
            parts[0] += f", several runs at once: {' and '.join(f'{span} of {what}' for span, what in spans)}, added up"
        else:
            parts[0] += "".join(f", {span} of it {what}" for span, what in spans)
    else:
        parts += [f"{words} took {duration(trained[who])}" for who, words in whose.items() if trained[who]]
    return "; ".join([*parts, *_found(spent, several), *([_passes(spent)] if results["teacher"] else [])])


def _found(spent: Cost, several: int) -> list[str]:
    """What other commands had trained, apart from the time of this study's own."""
    found, own = spent.get("found_done"), spent.get("own_seconds")
    if not found or not own or not any(found.values()):
        return []
    words = []
    if found["students"]:
        seconds = max(0.0, spent["training_seconds"] - own["students"])
        words.append(f"{found['students']} of {several} students ({duration(seconds)} of training)")
    if found["teachers"]:
        seconds = max(0.0, spent["teacher_training_seconds"] - own["teachers"])
        words.append(f"{counted(found['teachers'], 'teacher')} ({duration(seconds)})")
    return [f"found done, and not in that time: {' and '.join(words)}"]


def _passes(spent: Cost) -> str:
    return f"teacher passes paid {spent['teacher_passes_paid']:,}, saved {spent['teacher_passes_saved']:,}"


def openings(opened: Openings) -> str:
    """How often this data set's test split was opened, until when that was counted."""
    until = f" until {opened['until'].replace('T', ' ')}" if "until" in opened else ""
    line = f"test split opened {_times(len(opened['study']))} by this study, {_times(opened['all'])} in all{until}"
    if unnamed := opened.get("unnamed", 0):
        line += f"; {unnamed} of these in records that do not say which data set was opened"
    return line


def microcontroller(summary: Summary) -> str:
    """What the claim's student takes of a microcontroller, and what is there; empty where that is not known."""
    needs = (summary.row or summary.rows[0]).needs
    if needs is None:
        return ""
    sentence = f"in 8 bits on a microcontroller: {size(needs['flash'])} of flash (its code is an estimate), "
    sentence += f"{size(needs['ram'])} of RAM, by {needs['how']}"
    if npu := needs.get("npu"):
        sentence += f"; on {npu['npu']} {npu['cycles']:,} cycles, {npu['ms']:.3g} ms, "
        sentence += f"{size(npu['sram'])} of SRAM, by Vela"
    if budget := summary.results.get("budget"):
        sentence += f"; {size(budget['flash'])} and {size(budget['ram'])} are there"
    return sentence


def handed_over(summary: Summary) -> list[str]:
    """Which student is handed over, as which file; or why it is not."""
    export = summary.results["export"]
    onnx, doubt, lines = export["onnx"], export.get("doubt", ""), _which(export, summary)
    if onnx:
        lines.append(
            f"exported {export['run']}/{onnx['file']}: {size(onnx['bytes'])}, val top-1 "
            f"{text.percent(onnx['val_top1'], summary.places['val'])} by ONNX Runtime, "
            f"{onnx['latency_ms']['p50']:.3g} ms an image on one thread"
        )
    if doubt:
        what = "exported all the same" if onnx else "not exported; tutelage export RUN --force does it all the same"
        lines.append(f"warning: {export['run']}: {doubt}; {what}")
    return lines


def _which(export: Exported, summary: Summary) -> list[str]:
    if "seed" not in export or "val" not in export or "method" not in export:
        return []
    row, places = summary.row or summary.rows[0], summary.places["val"]
    seeds, reached = len(row.top1["val"]), text.percent(export["val"], places)
    if seeds == 1:
        return [f"to hand over: {export['run']}, the one seed of {row.label} ({reached} on val)"]
    mean = text.percent(statistics.mean(row.top1["val"]), places)
    return [
        f"to hand over: {export['run']}, of {seeds} seeds of {row.label} the best on val ({reached}; mean {mean}); "
        "what is claimed is the mean"
    ]


def unlabeled(results: Results) -> list[str]:
    """Which rows learnt from images without a label, and what these were worth; nothing where there were none."""
    images = results["data"]["unlabeled"]
    if not images:
        return []
    lines = [f"{images:,} images without a label were learnt from too, by every row that names them"]
    return lines + [f"they are worth {gain}" for gain in _gains_by(results, ("data", "unlabeled"))]


def start(results: Results) -> list[str]:
    """What a start by the teacher's embeddings was worth; nothing where no row had one."""
    gains = _gains_by(results, ("start_epochs",))
    return [f"a start by the teacher's embeddings, without labels, is worth {gain}" for gain in gains]


def _gains_by(results: Results, path: tuple[str, ...]) -> list[str]:
    """What a field of the recipe that is set was worth to each row beside which the same row stands without it."""

    def split(recipe: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The field, and the recipe without it."""
        *folders, last = path
        rest: dict[str, Any] = copy.deepcopy(recipe)
        inner = rest
        for name in folders:
            inner = inner.setdefault(name, {})
        return inner.pop(last, None), rest

    lines = []
    by_recipe = [(*split(recipe), row) for recipe, row in zip(results["recipes"], results["rows"], strict=True)]
    for value, recipe, row in by_recipe:
        for none, other, without in by_recipe:
            if value and not none and other == recipe:
                mine, theirs = ([seed["test"]["top1"] for seed in of_row["seeds"]] for of_row in (row, without))
                gain = paired_gain(mine, theirs)
                within = ", ".join(filter(None, [text.interval(gain), f"n = {gain['n']}"]))
                lines.append(f"{text.points(gain['mean'])} points to {row['label']} on test ({within})")
    return lines


def folds(results: Results) -> list[str]:
    """What a cross-validation says of each row; nothing where there was none."""
    if "folds" not in results:
        return []
    folds = results["folds"]
    times = f"{folds['repeats']} x {folds['folds']}" if folds["repeats"] > 1 else f"{folds['folds']}"
    lines = []
    for number, row in enumerate(folds["rows"]):
        line = f"{row['label']} {text.percent(row['mean'])}{_within(row['interval'], text.percent)}"
        if number:
            line += f", {text.points(row['gain'])} points{_within(row['gain_interval'], _unsigned_points)}"
        lines.append(line)
    return [
        f"cross-validated on {folds['images']:,} images, {times} folds: {'; '.join(lines)} "
        "(95 % intervals, corrected for the training images that folds share: Nadeau & Bengio 2003)"
    ]


def _within(ends: list[float] | None, written: Callable[[float], str]) -> str:
    return "" if ends is None else f" ({written(ends[0])} to {written(ends[1])})"


def _unsigned_points(difference: float) -> str:
    return text.points(difference).removeprefix("+")


def caveats(results: Results) -> list[str]:
    """How little the images of a split say, and in what the runs differ that should not."""
    first = results["rows"][0]["seeds"][0]
    splits = (("validation", first["val"]["images"]), ("test", first["test"]["images"]))
    few = [little for split, images in splits if (little := how_little(images, split))]
    return (
        unlabeled(results) + start(results) + folds(results) + few + conditions.in_words(results.get("conditions", []))
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
