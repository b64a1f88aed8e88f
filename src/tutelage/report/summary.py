"""Turns results.json into tables, lists of plain dicts, which the terminal, the page and its charts all show."""

import json
import shlex
import statistics
from pathlib import PurePath
from typing import Any

from tutelage import files

MEASURES = ("nll", "ece", "confidence", "agreement", "kl_to_teacher")


def presentable(results: dict[str, Any]) -> dict[str, Any]:
    """The results without the folders of the machine that made them: a report is for others."""
    plain = files.without_folders(results)
    if "environment" in plain:
        try:
            words = shlex.split(plain["environment"]["command"])
        except ValueError:
            words = plain["environment"]["command"].split()
        parts = (word.rpartition("=") for word in words)
        command = shlex.join(name + equals + files.without_folders(value) for name, equals, value in parts)
        plain["environment"] = plain["environment"] | {"command": command}
    return plain


def methods(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One dict a row of the study, baseline first.

    Returns:
        `label`; `top1` by split (one share a seed); `gain` by split (None for the baseline); the means over seeds on
        test of `MEASURES` (None where not measured) and of `per_class`; `parameters`, `macs`, `latency_ms` (None in
        older results).
    """
    labels = _labels(results)
    return [
        {
            "label": label,
            "top1": {split: [seed[split]["top1"] for seed in row["seeds"]] for split in ("val", "test")},
            "gain": row.get("gain"),
            "per_class": _by_class([seed["test"]["per_class"] for seed in row["seeds"]]),
            "parameters": row.get("parameters", results["student"]["parameters"]),
            "macs": row.get("macs", results["student"]["macs"]),
            "latency_ms": row.get("latency_ms"),
        }
        | {name: _mean([seed["test"].get(name) for seed in row["seeds"]]) for name in MEASURES}
        for label, row in zip(labels, results["rows"], strict=True)
    ]


def shown(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The method the claim is about: the best on val, so that test chooses nothing; None without any."""
    return max(rows[1:], key=lambda row: row["gain"]["val"]["mean"], default=None)


def curves(results: dict[str, Any], name: str, most: int = 60) -> list[list[dict[str, float]]]:
    """For each row the points of a curve: `epoch`, and `mean`, `low`, `high` over the seeds.

    Args:
        results: Of the study.
        name: "val_top1" or "train_loss".
        most: Points kept; more would only make the page heavy.
    """
    of_rows = []
    for row in results["rows"]:
        by_epoch: dict[float, list[float]] = {}
        for seed in row["seeds"]:
            for epoch, value in seed["curves"][name]:
                by_epoch.setdefault(epoch, []).append(value)
        epochs = sorted(by_epoch)
        kept = epochs[:: -(-len(epochs) // most)] if epochs else []
        if epochs and kept[-1] != epochs[-1]:
            kept.append(epochs[-1])
        of_rows.append(
            [
                {
                    "epoch": round(epoch, 3),
                    "mean": statistics.mean(by_epoch[epoch]),
                    "low": min(by_epoch[epoch]),
                    "high": max(by_epoch[epoch]),
                }
                for epoch in kept
            ]
        )
    return of_rows


def classes(results: dict[str, Any], row: dict[str, Any] | None) -> list[dict[str, Any]]:
    """One dict a class: its `name` and the accuracy on test of `baseline`, `student` (that row) and `teacher`."""
    baseline = methods(results)[0]["per_class"]
    student = row["per_class"] if row else [None] * len(baseline)
    tested = results["teacher"] and results["teacher"]["test"]
    teacher = tested["per_class"] if tested else [None] * len(baseline)
    names = results["data"]["classes"]
    return [
        {"name": name, "baseline": b, "student": s, "teacher": t}
        for name, b, s, t in zip(names, baseline, student, teacher, strict=True)
    ]


def recipes(results: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every field of every recipe: those that differ, and those that all share.

    Returns:
        `field` and `values`, one a row of the study, of the first; `field` and `value` of the second. The fields
        of the teacher are compared among the recipes that have one.
    """
    flat = [_flat(recipe) for recipe in results["recipes"]]
    differing, shared = [], []
    for field in dict.fromkeys(field for recipe in flat for field in recipe):
        values = [recipe.get(field) for recipe in flat]
        present = {value for value in values if value is not None}
        if len(present) > 1 or field.startswith("method.") or field == "teacher.model.name":
            differing.append({"field": field, "values": values})
        else:
            shared.append({"field": field, "value": present.pop()})
    return differing, shared


def _labels(results: dict[str, Any]) -> list[str]:
    """Names; where a method occurs more than once, with the fields of its recipes that differ."""
    names = [PurePath(row.get("label", row["method"]["name"])).name for row in results["rows"]]
    flat = [_flat(recipe) for recipe in results["recipes"]]
    labels = []
    for name, recipe in zip(names, flat, strict=True):
        same = [other for other_name, other in zip(names, flat, strict=True) if other_name == name]
        told = [
            f"{field.removeprefix('method.')} {value}"
            for field, value in recipe.items()
            if any(other.get(field) != value for other in same)
        ]
        labels.append(", ".join([name, *told]).replace("teacher.model.name ", "from "))
    return labels


def _flat(value: Any, where: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        found: dict[str, str] = {}
        for name, item in value.items():
            # Every seed has its own run, and the schema says nothing about the training.
            if f"{where}{name}" not in ("seed", "schema"):
                found |= _flat(item, f"{where}{name}.")
        return found
    if value is None:
        return {}
    return {where[:-1]: value if isinstance(value, str) and value else json.dumps(value)}


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.mean(present) if present else None


def _by_class(of_seeds: list[list[float | None]]) -> list[float | None]:
    return [_mean(list(of_class)) for of_class in zip(*of_seeds, strict=True)]
