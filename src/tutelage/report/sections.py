"""Writes the parts of the page that not every study has: costs, calibration, confusions, dark knowledge, a search.

Each function returns what a part of page.html needs, or nothing where the study did not measure it.
"""

import statistics
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from tutelage.report import charts, details, text
from tutelage.report.theme import TEACHER, Series

SPLITS = ("test", "val")
MOST_CHANGES = 8
"""Confusions that are listed."""
MOST_CURVES = 5
"""Methods in the reliability chart beside baseline and teacher; more lines cannot be told apart."""


def costs(
    results: dict[str, Any], rows: list[dict[str, Any]], lines: list[Series], teacher: dict[str, Any] | None, split: str
) -> list[tuple[str, Markup]]:
    """Accuracy against parameters, multiply-adds and, where the teacher's is known too, latency."""
    found: list[tuple[str, Callable[[dict[str, Any]], float], Callable[[float], str]]] = [
        ("parameters", lambda one: one["parameters"], text.count),
        ("multiply-adds an image", lambda one: one["macs"], text.count),
    ]
    timed = [*rows, teacher] if teacher else rows
    if all(one.get("latency_ms") for one in timed):
        found.append(
            ("ms an image (PyTorch, one thread)", lambda one: one["latency_ms"]["p50"], lambda ms: f"{ms:.3g} ms")
        )
    return [(title, _pareto(rows, lines, teacher, split, cost, title, said)) for title, cost, said in found]


def _pareto(
    rows: list[dict[str, Any]],
    lines: list[Series],
    teacher: dict[str, Any] | None,
    split: str,
    cost: Callable[[dict[str, Any]], float],
    title: str,
    said: Callable[[float], str],
) -> Markup:
    points = [
        charts.Point(one, cost(row), statistics.mean(row["top1"][split]), _deviation(row["top1"][split]))
        for one, row in zip(lines, rows, strict=True)
    ]
    if teacher and teacher[split]:
        points.append(charts.Point(TEACHER, cost(teacher), teacher[split]["top1"], 0.0))
    return charts.pareto(points, title, said, split)


def reliability(
    results: dict[str, Any], rows: list[dict[str, Any]], lines: list[Series], shown: dict[str, Any] | None
) -> dict[str, Any] | None:
    """`split` and `chart` of the reliability curves of teacher, baseline and the first methods."""
    split = _measured(results)
    if split is None:
        return None
    kept = [i for i in range(len(rows)) if i <= MOST_CURVES or rows[i] is shown]
    curves = [(lines[i], results["rows"][i]["fidelity"][split]["reliability"]) for i in kept]
    teacher = results["teacher"]
    held_out = teacher and (split == "test" or teacher["val_held_out"])
    bins = teacher.get("reliability", {}).get(split) if held_out else None
    return {"split": split, "chart": details.reliability(details.with_teacher(curves, bins))}


def confusions(results: dict[str, Any], number: int | None) -> dict[str, Any] | None:
    """`split`, `matrix` (two drawings, none with many classes) and `largest` of a row's confusions."""
    split = _measured(results)
    if split is None or number is None or "largest" not in results["rows"][number]["fidelity"][split]:
        return None
    told, names = results["rows"][number]["fidelity"][split], results["data"]["classes"]
    matrix = told["confusion"]
    drawings = [details.confusion(matrix, names, width) for width in (details.MIDDLE, charts.NARROW)] if matrix else []
    largest = [
        {"true": names[cell["true"]], "predicted": names[cell["predicted"]], "images": cell["images"]}
        for cell in told["largest"][:MOST_CHANGES]
    ]
    return {"split": split, "matrix": drawings, "largest": largest}


def inherited(results: dict[str, Any], number: int | None) -> dict[str, Any] | None:
    """How many of its teacher's mistakes a row's students learnt, with `split` and names; None where not measured."""
    split = _measured(results)
    if split is None or number is None or "inherited" not in results["rows"][number]["fidelity"][split]:
        return None
    return results["rows"][number]["fidelity"][split]["inherited"] | {"split": split}


def pictures(results: dict[str, Any]) -> dict[str, Any] | None:
    """The gallery: `temperature`, and `groups` of images with the rule that chose them."""
    gallery = results.get("gallery")
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
            | {"classes": [one | {"name": names[one["index"]]} for one in image["classes"]]}
            for image in gallery[reason]
        ]
        if images:
            groups.append({"id": reason, "rule": rule, "images": images})
    return {"temperature": gallery["temperature"], "groups": groups, "seed": gallery.get("seed")}


def search(results: dict[str, Any]) -> dict[str, Any] | None:
    """The trials of a search by method: `maps` (a drawing where two numbers or more are searched), `trials`."""
    tuning = results.get("tuning")
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
        "fresh": tuning.get("fresh"),
    }


def _multiplies(values: list[float]) -> bool:
    """Whether numbers differ by factors, as temperatures and weights do, and not by differences, as shares do."""
    low, high = min(values), max(values)
    return low > 0 and high / low > (4 if high > 1 else 100)


def few(rows: list[dict[str, Any]]) -> bool:
    """Whether the intervals rest on so few pairs that they say little."""
    return any(row["gain"]["test"].get("pairs") == "few" for row in rows[1:])


def _measured(results: dict[str, Any]) -> str | None:
    """The split on which every row was looked at image by image: test where its logits were kept."""
    held = [split for split in SPLITS if all(split in row.get("fidelity", {}) for row in results["rows"])]
    return held[0] if held else None


def _deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
