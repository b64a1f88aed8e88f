"""Writes the parts of the page that not every study has: costs, calibration, confusions, dark knowledge, a search.

Each function returns what a part of page.html needs, or nothing where the study did not measure it.
"""

import statistics
from typing import Any, Literal

from markupsafe import Markup

from tutelage.progress import size
from tutelage.report import charts, details, text
from tutelage.report.results import Results, Split
from tutelage.report.summary import Summary
from tutelage.report.theme import TEACHER, Series

MOST_CHANGES = 8
"""Confusions that are listed."""
MOST_CURVES = 5
"""Methods in the reliability chart beside baseline and teacher; more lines cannot be told apart."""
COSTS = (
    ("parameters", text.count),
    ("multiply-adds an image", text.count),
    ("ms an image (PyTorch, one thread)", lambda ms: f"{ms:.3g} ms"),
)
"""What a network costs, and the words for a number of it."""


MEMORIES: tuple[tuple[Literal["flash", "ram"], str], ...] = (
    ("flash", "bytes of flash (int8, with the code)"),
    ("ram", "bytes of RAM (tensor arena)"),
)
"""What a student takes of a microcontroller."""


def memories(summary: Summary, styles: list[Series]) -> list[tuple[str, Markup]]:
    """Accuracy on test against each of `MEMORIES`, the budget drawn in; nothing where no student's is known."""
    known = [(style, row) for style, row in zip(styles, summary.rows, strict=True) if row.needs]
    drawings = []
    for name, title in MEMORIES if known else ():
        points = []
        for style, row in known:
            assert row.needs is not None
            top1 = row.top1["test"]
            points.append(charts.Point(style, row.needs[name], statistics.mean(top1), _deviation(top1)))
        limit = summary.results.get("budget", {}).get(name)
        drawings.append((title, charts.pareto(points, title, size, "test", limit)))
    return drawings


def costs(summary: Summary, styles: list[Series]) -> list[tuple[str, Markup]]:
    """Accuracy against each of `COSTS`, the teacher's too where it was measured on images that it had not seen."""
    teacher = summary.results["teacher"]
    measured = teacher and (teacher["test"] or (teacher["val"] if teacher["val_held_out"] else None))
    split: Split = "val" if teacher and measured and not teacher["test"] else "test"
    networks = []
    for style, row in zip(styles, summary.rows, strict=True):
        paid = (row.parameters, row.macs, row.latency_ms["p50"])
        networks.append((style, paid, statistics.mean(row.top1[split]), _deviation(row.top1[split])))
    if teacher and measured:
        paid = (teacher["parameters"], teacher["macs"], teacher["latency_ms"]["p50"])
        networks.append((TEACHER, paid, measured["top1"], 0.0))
    drawings = []
    for number, (title, in_words) in enumerate(COSTS):
        points = [charts.Point(style, paid[number], top1, deviation) for style, paid, top1, deviation in networks]
        drawings.append((title, charts.pareto(points, title, in_words, split)))
    return drawings


def reliability(summary: Summary, styles: list[Series]) -> dict[str, Any] | None:
    """`split` and `chart` of the reliability curves of teacher, baseline and the first methods."""
    results, split = summary.results, _measured(summary.results)
    if split is None:
        return None
    drawn = [number for number in range(len(styles)) if number <= MOST_CURVES or number == summary.number]
    curves = [(styles[number], results["rows"][number]["fidelity"][split]["reliability"]) for number in drawn]
    teacher = results["teacher"]
    held_out = teacher and (split == "test" or teacher["val_held_out"])
    bins = teacher.get("reliability", {}).get(split) if teacher and held_out else None
    return {"split": split, "chart": details.reliability(details.with_teacher(curves, bins))}


def calibration(summary: Summary, styles: list[Series]) -> list[charts.Sureness]:
    """Accuracy and mean confidence on test of the teacher, where it was measured, and of every row."""
    teacher = summary.results["teacher"]
    tested = teacher and teacher["test"]
    networks = [charts.Sureness(TEACHER, tested["top1"], tested["confidence"])] if tested else []
    for style, row in zip(styles, summary.rows, strict=True):
        if (confidence := row.measures["confidence"]) is not None:
            networks.append(charts.Sureness(style, statistics.mean(row.top1["test"]), confidence))
    return networks


def confusions(summary: Summary) -> dict[str, Any] | None:
    """`split`, `matrix` (two drawings, none with many classes) and `largest` of the confusions of the claim's row."""
    split, names = _measured(summary.results), summary.results["data"]["classes"]
    if split is None or summary.number is None:
        return None
    changes = summary.results["rows"][summary.number]["fidelity"][split]
    matrix = changes["confusion"]
    drawings = [details.confusion(matrix, names, width) for width in (details.MIDDLE, charts.NARROW)] if matrix else []
    largest = [
        {"true": names[cell["true"]], "predicted": names[cell["predicted"]], "images": cell["images"]}
        for cell in changes["largest"][:MOST_CHANGES]
    ]
    return {"split": split, "matrix": drawings, "largest": largest}


def inherited(summary: Summary) -> dict[str, Any] | None:
    """How many of its teacher's mistakes the claim's students learnt, with `split`; None where not measured."""
    split = _measured(summary.results)
    if split is None or summary.number is None:
        return None
    inherited = summary.results["rows"][summary.number]["fidelity"][split].get("inherited")
    return {**inherited, "split": split} if inherited else None


def pictures(results: Results) -> dict[str, Any] | None:
    """The gallery: `temperature`, and `groups` of images with the rule that chose them."""
    gallery = results["gallery"]
    if not gallery:
        return None
    names = results["data"]["classes"]
    rules = {
        "uncertain": "Where the teacher hesitates most: the highest entropy of its softened answer",
        "changed": "Where teaching changed the student's answer most",
        "learnt": "Where the student learnt its teacher's mistake",
    }
    groups = []
    for reason, rule in rules.items():
        images = [
            image
            | {"name": names[image["label"]]}
            | {"classes": [shares | {"name": names[shares["index"]]} for shares in image["classes"]]}
            for image in gallery[reason]
        ]
        if images:
            groups.append({"id": reason, "rule": rule, "images": images})
    return {"temperature": gallery["temperature"], "groups": groups, "seed": gallery.get("seed")}


def search(results: Results) -> dict[str, Any] | None:
    """The trials of a search by method: `maps` (a drawing where two numbers or more are searched), `trials`."""
    tuning = results["tuning"]
    if not tuning or not tuning["trials"]:
        return None
    maps = []
    for method in dict.fromkeys(trial["method"] for trial in tuning["trials"]):
        of_method = [trial for trial in tuning["trials"] if trial["method"] == method]
        fields = list(of_method[0]["values"])
        if len(fields) < 2:
            continue
        chosen = (fields[0], fields[1])
        spread = [[trial["values"][field] for trial in of_method] for field in chosen]
        logarithmic = [_multiplies(values) for values in spread]
        widths = (details.MIDDLE, charts.NARROW)
        drawings = [details.tuning(of_method, chosen, logarithmic, width) for width in widths]
        maps.append({"method": method, "fields": chosen, "more": fields[2:], "drawings": drawings})
    nothing = any(trial["defaults"] and trial["number"] == tuning["best"] for trial in tuning["trials"])
    return {
        "maps": maps,
        "nothing": nothing,
        "trials": tuning["trials"],
        "best": tuning["best"],
        "fresh": tuning["fresh"],
    }


def _multiplies(values: list[float]) -> bool:
    """Whether numbers differ by factors, as temperatures and weights do, and not by differences, as shares do."""
    low, high = min(values), max(values)
    return low > 0 and high / low > (4 if high > 1 else 100)


def _measured(results: Results) -> Split | None:
    """The split on which every row was looked at image by image: test where its logits were kept."""
    splits: tuple[Split, Split] = ("test", "val")
    return next((split for split in splits if all(split in row.get("fidelity", {}) for row in results["rows"])), None)


def _deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
