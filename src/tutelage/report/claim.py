"""Says what the numbers allow to be said, in one sentence, and in one more about the teacher."""

import statistics

from tutelage.data import leaks
from tutelage.report import text
from tutelage.report.results import Results, Split
from tutelage.report.summary import methods, shown
from tutelage.shares import percent


def claim(results: Results) -> str:
    """One sentence on the study's method; of several, on the best on val."""
    rows = methods(results)
    row = shown(rows)
    student = results["student"]["name"]
    places = text.decimals(results["rows"][0]["seeds"][0]["test"]["images"])
    alone = text.percent(statistics.mean(rows[0].top1["test"]), places)
    if row is None or row.gain is None:
        return f"{student} alone reaches {alone} on the test split; no method was compared with it."
    label, gain = row.label, row.gain["test"]
    taught = text.percent(statistics.mean(row.top1["test"]), places)
    difference = f"{text.points(gain['mean'], places)} points"
    numbers = f"{difference}, 95 % interval {text.interval(gain, places)}, n = {gain['n']} paired seeds"
    sentence = {
        "gain": f"{label} lifts {student} from {alone} to {taught} on the test split: {numbers}.",
        "loss": f"{label} makes {student} worse, from {alone} to {taught} on the test split: {numbers}.",
        "none": f"No gain of {label} could be shown: {student} reaches {alone} alone and {taught} with it on the test "
        f"split, {numbers}.",
        "few": f"Nothing can be claimed from {_seeds(gain['n'])}: {student} reaches {alone} alone and {taught} with "
        f"{label} on the test split ({difference}); an interval needs at least 3.",
    }[gain["verdict"]]
    if gain["equivalent"]:
        sentence += f" A difference beyond {100 * gain['margin']:.2g} points is ruled out."
    elif gain["verdict"] == "none" and gain["low"] and gain["high"] and gain["low"] * gain["high"] > 0:
        sentence += (
            f" Its interval alone would show one; corrected for {len(rows) - 1} methods p = {gain['p_adjusted']:.2g}."
        )
    if len(rows) > 2:
        return f"Of {len(rows) - 1} methods {label} was the best on val. {sentence}"
    return sentence


def about_teacher(results: Results) -> str:
    """How much of the gap to the teacher is closed, and at which share of its cost; empty without a teacher."""
    teacher = results["teacher"]
    rows = methods(results)
    row = shown(rows)
    if teacher is None or row is None or row.gain is None:
        return ""
    split: Split = "test" if teacher["test"] else "val"
    measured = teacher["test"] or teacher["val"]
    if split == "val" and not teacher["val_held_out"]:
        return (
            f"The teacher ({teacher['name']}) was trained on the validation images and not measured on test: "
            "how much of the gap to it is closed is not known."
        )
    top1, places = measured["top1"], text.decimals(measured["images"])
    named = f"the teacher ({teacher['name']}, {text.percent(top1, places)} on {split})"
    gap = top1 - statistics.mean(rows[0].top1[split])
    cost = f"{text.share_of(results['student']['macs'], teacher['macs'])} of its multiply-adds"
    gain = row.gain[split]
    if gap <= 0:
        return f"{named[0].upper()}{named[1:]} is no better than the student alone: there is no gap to close."
    if gain["verdict"] != "gain":
        return (
            f"The gap of {text.points(gap, places).lstrip('+')} points to {named} is not shown to have shrunk; "
            f"the student costs {cost}."
        )
    if gain["mean"] > gap:
        return f"The student passes {named} at {cost}."
    return f"That closes {percent(gain['mean'] / gap, 0)} of the gap to {named} at {cost}."


def about_leakage(results: Results) -> str:
    """How much of val and test is in training too, and what that does to the claim; empty where nobody looked."""
    return f"{leaks.sentence(results['leakage'])}." if "leakage" in results else ""


def closed(results: Results) -> float | None:
    """The share of the gap on test that is closed; None where that is not shown or there is no gap."""
    rows = methods(results)
    row, teacher = shown(rows), results["teacher"]
    if row is None or row.gain is None or teacher is None or not teacher["test"]:
        return None
    gain = row.gain["test"]
    gap = teacher["test"]["top1"] - statistics.mean(rows[0].top1["test"])
    return gain["mean"] / gap if gap > 0 and gain["verdict"] == "gain" else None


def _seeds(number: int) -> str:
    return "1 seed" if number == 1 else f"{number} seeds"
