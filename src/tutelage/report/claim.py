"""Says what the numbers allow to be said, in one sentence, and in one more about the teacher."""

import statistics
from typing import Any

from tutelage.report import text
from tutelage.report.summary import methods, shown


def verdict(gain: dict[str, Any]) -> str:
    """What a paired gain shows: "gain", "loss", "none" (no difference) or "few" (seeds, so no interval).

    As the study judged it, corrected for the number of methods; of older results by the interval alone.
    """
    if "verdict" in gain:
        return gain["verdict"]
    if gain["low"] is None:
        return "few"
    if gain["low"] > 0:
        return "gain"
    return "loss" if gain["high"] < 0 else "none"


def claim(results: dict[str, Any]) -> str:
    """One sentence on the study's method; of several, on the best on val."""
    rows = methods(results)
    row = shown(rows)
    student = results["student"]["name"]
    places = text.decimals(results["rows"][0]["seeds"][0]["test"]["images"])
    alone = text.percent(statistics.mean(rows[0]["top1"]["test"]), places)
    if row is None:
        return f"{student} alone reaches {alone} on the test split; no method was compared with it."
    label, gain = row["label"], row["gain"]["test"]
    taught = text.percent(statistics.mean(row["top1"]["test"]), places)
    difference = f"{text.points(gain['mean'], places)} points"
    numbers = f"{difference}, 95 % interval {text.interval(gain, places)}, n = {gain['n']} paired seeds"
    told = {
        "gain": f"{label} lifts {student} from {alone} to {taught} on the test split: {numbers}.",
        "loss": f"{label} makes {student} worse, from {alone} to {taught} on the test split: {numbers}.",
        "none": f"No gain of {label} could be shown: {student} reaches {alone} alone and {taught} with it on the test "
        f"split, {numbers}.",
        "few": f"Nothing can be claimed from {_seeds(gain['n'])}: {student} reaches {alone} alone and {taught} with "
        f"{label} on the test split ({difference}); an interval needs at least 3.",
    }[verdict(gain)]
    if gain.get("equivalent"):
        told += f" A difference beyond {100 * gain['margin']:.2g} points is ruled out."
    elif gain.get("p_adjusted") is not None and verdict(gain) == "none" and (gain["low"] > 0 or gain["high"] < 0):
        told += (
            f" Its interval alone would show one; corrected for {len(rows) - 1} methods p = {gain['p_adjusted']:.2g}."
        )
    if len(rows) > 2:
        return f"Of {len(rows) - 1} methods {label} was the best on val. {told}"
    return told


def about_teacher(results: dict[str, Any]) -> str:
    """How much of the gap to the teacher is closed, and at which share of its cost; empty without a teacher."""
    teacher = results["teacher"]
    rows = methods(results)
    row = shown(rows)
    if teacher is None or row is None:
        return ""
    split = "test" if teacher["test"] else "val"
    if split == "val" and not teacher["val_held_out"]:
        return (
            f"The teacher ({teacher['name']}) was trained on the validation images and not measured on test: "
            "how much of the gap to it is closed is not known."
        )
    top1 = teacher[split]["top1"]
    places = text.decimals(teacher[split]["images"])
    named = f"the teacher ({teacher['name']}, {text.percent(top1, places)} on {split})"
    gap = top1 - statistics.mean(rows[0]["top1"][split])
    cost = f"{text.share_of(results['student']['macs'], teacher['macs'])} of its multiply-adds"
    gain = row["gain"][split]
    if gap <= 0:
        return f"{named[0].upper()}{named[1:]} is no better than the student alone: there is no gap to close."
    if verdict(gain) != "gain":
        return (
            f"The gap of {text.points(gap, places).lstrip('+')} points to {named} is not shown to have shrunk; "
            f"the student costs {cost}."
        )
    if gain["mean"] > gap:
        return f"The student passes {named} at {cost}."
    return f"That closes {100 * gain['mean'] / gap:.0f} % of the gap to {named} at {cost}."


def closed(results: dict[str, Any]) -> float | None:
    """The share of the gap on test that is closed; None where that is not shown or there is no gap."""
    rows = methods(results)
    row, teacher = shown(rows), results["teacher"]
    if row is None or teacher is None or not teacher["test"] or verdict(row["gain"]["test"]) != "gain":
        return None
    gap = teacher["test"]["top1"] - statistics.mean(rows[0]["top1"]["test"])
    return row["gain"]["test"]["mean"] / gap if gap > 0 else None


def _seeds(number: int) -> str:
    return "1 seed" if number == 1 else f"{number} seeds"
