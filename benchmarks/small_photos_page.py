"""Writes docs/results/small_photos.json and .md from the trials of small_photos.py, test included."""

import json
import math
import statistics
from typing import Any

from _common import RESULTS
from small_photos import ALONE, MORE, SCALES, SETS, SOFT, TEST, VAL, Bench, best_on_val, by_row, compared
from tutelage import files
from tutelage.measure.statistics import paired_gain

Rows = dict[tuple[str, str], list[dict[str, Any]]]
HEAD = "| student | taught by | n | val | test |\n|---|---|---|---|---|"


def page(bench: Bench) -> None:
    """Both files; what docs/results/small_photos_notes.md says to them stands above the tables."""
    lines, tested = (files.read_lines(bench.out / name) for name in ("trials.jsonl", "test.jsonl"))
    test = {(line["set"], line["run"]): line["test"] for line in tested}
    openings = files.read_lines(bench.out / "runs" / "test_openings.jsonl")
    classes, side = SCALES[bench.scale]
    result = {
        "machine": json.loads((bench.out / "machine.json").read_text()),
        "date": openings[0]["time"][:10],
        "scale": bench.scale,
        "classes": classes,
        "side": side,
        "openings": len(openings),
        "sets": [of_set(bench, name, by_row(lines, name), test) for name in SETS if by_row(lines, name)],
    }
    (RESULTS / "small_photos.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "small_photos.md").write_text(as_text(result))


def of_set(bench: Bench, name: str, rows: Rows, test: dict[tuple[str, str], float]) -> dict[str, Any]:
    """The rows of a set, which of them the rules choose, and how far that is from the best tried."""
    told = {row: _row(row, of, [test[name, line["run"]] for line in of if (name, line["run"]) in test])
            for row, of in rows.items()}  # fmt: skip
    classes = SCALES[bench.scale][0]
    facts = {"set": name, "train": classes * SETS[name], "val": classes * VAL, "test": classes * TEST}
    if (name, "teacher") not in test:
        return facts | {"rows": list(told.values()), "teacher": None}
    rows = compared(rows)
    best, taught = best_on_val(rows), rule_row(bench, name, list(rows))
    rules = best_on_val({row: rows[row] for row in (taught, (taught[0], ALONE))})
    reached, chosen = (statistics.mean(told[row]["test"]) for row in (best, rules))
    of_seeds = statistics.stdev(told[best]["test"]) / math.sqrt(len(told[best]["test"]))
    error = math.hypot(of_seeds, math.sqrt(reached * (1 - reached) / (classes * TEST)))
    return facts | {
        "teacher": test[name, "teacher"],
        "rows": list(told.values()),
        "gains": [gain for student, method in told if (gain := _gain(told, student, method)) is not None],
        "more": [_more(told, student) for student in MORE if (student, SOFT) in told],
        "rules": list(taught),
        "choice": list(rules),
        "best_on_val": list(best),
        "rules_minus_best": chosen - reached,
        "standard_error_of_best": error,
        "within_one_standard_error": chosen >= reached - error,
    }


def _row(row: tuple[str, str], of: list[dict[str, Any]], test: list[float]) -> dict[str, Any]:
    val = [line["val"] for line in of]
    return {"student": row[0], "method": row[1], "epochs": of[0]["epochs"], "val": val, "test": test}


def _gain(told: dict[tuple[str, str], Any], student: str, method: str) -> dict[str, Any] | None:
    """On test over the same student alone, where both have three seeds or more."""
    if method == ALONE or (student, ALONE) not in told:
        return None
    pairs = list(zip(told[student, method]["test"], told[student, ALONE]["test"], strict=False))
    if len(pairs) < 3:
        return None
    taught, alone = map(list, zip(*pairs, strict=True))
    return {"student": student, "method": method, **paired_gain(taught, alone)}


def _more(told: dict[tuple[str, str], Any], student: str) -> dict[str, Any]:
    """On val, over the same student taught from labelled photos alone: test had been opened before."""
    further = told[student, SOFT]["val"]
    return {"student": student, **paired_gain(further, told["whole network", SOFT]["val"][: len(further)])}


def rule_row(bench: Bench, name: str, rows: list[tuple[str, str]]) -> tuple[str, str]:
    """The row that is what the recipe's rules choose for a set."""
    wanted = bench.by_the_rules(name).identity
    return next(row for row in rows if bench.tried(name, *row).identity == wanted)


def as_text(result: dict[str, Any]) -> str:
    """The page."""
    machine, made = result["machine"], "Written by `python benchmarks/small_photos.py page`; settings in that file."
    parts = [
        "# Good students from few photos\n",
        (RESULTS / "small_photos_notes.md").read_text(),
        f"{made} {result['classes']} classes of each source, pictures of {result['side']} pixels a side. "
        "Top-1 in percent, mean +- standard deviation over n seeds; each set's test "
        "split was opened when rows of five seeds were there, and for the best on val of later ones. "
        f"{machine['gpu'] or machine['processor']}, PyTorch {machine['torch']}, float32; {result['date']}.\n",
    ]
    return "\n".join([*parts, *(line for of in result["sets"] for line in (*_table(of), *_conclusions(of), ""))])


def _table(of: dict[str, Any]) -> list[str]:
    """A set's rows, the best on val first."""
    teacher = "test was not opened" if of["teacher"] is None else f"the teacher is right on {100 * of['teacher']:.1f} %"
    lines = [f"## {of['set']}: {of['train']} training, {of['val']} validation, {of['test']} test images\n"]
    lines += [f"On test {teacher}.\n" if of["teacher"] else f"Not finished: {teacher}.\n", HEAD]
    for row in sorted(of["rows"], key=lambda row: -statistics.mean(row["val"])):
        mark = " **(the rules)**" if [row["student"], row["method"]] == of.get("rules") else ""
        cells = [f"{row['student']}{mark}", row["method"], str(len(row["val"])), _spread(row["val"])]
        lines.append(f"| {' | '.join([*cells, _spread(row['test']) if row['test'] else '-'])} |")
    return lines


def _conclusions(of: dict[str, Any]) -> list[str]:
    """What test says of the rules' choice, and of the teacher."""
    if of["teacher"] is None:
        return []
    within = "within" if of["within_one_standard_error"] else "**not within**"
    lines = [
        f"\nBest on val: {', '.join(of['best_on_val'])}. Of the two rows of the rules' study the better on val is "
        f"{of['choice'][1]}: {100 * of['rules_minus_best']:+.1f} points on test beside the best, {within} one standard "
        f"error ({100 * of['standard_error_of_best']:.1f}, over seeds and images).\n"
    ]
    for gain in of["gains"]:
        lines.append(
            f"- {gain['student']}, {gain['method']}: {100 * gain['mean']:+.1f} points over alone on test (95 % "
            f"interval {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}, n = {gain['n']})"
        )
    for gain in of.get("more", []):
        lines.append(
            f"- {gain['student']}: {100 * gain['mean']:+.1f} points on val over the whole network taught alike (95 % "
            f"interval {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}, n = {gain['n']})"
        )
    return lines


def _spread(shares: list[float]) -> str:
    spread = f" +- {100 * statistics.stdev(shares):.1f}" if len(shares) > 1 else ""
    return f"{100 * statistics.mean(shares):.1f}{spread}"
