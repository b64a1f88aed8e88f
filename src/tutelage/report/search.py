"""Says in lines for the terminal what a search promised, and what of it fresh seeds kept."""

from typing import Any

from tutelage.report.results import Results, TriedOut
from tutelage.shares import percent


def in_words(results: Results) -> list[str]:
    """What a search promised and what of it fresh seeds kept, from the results of the closing study."""
    tuning = results["tuning"]
    if tuning is None:
        return []
    lines, best = tried(tuning), _best(tuning)
    if best["defaults"]:
        return lines
    defaults = next(t for t in tuning["trials"] if t["defaults"] and t["method"] == best["method"])
    gain = tuning["fresh"]["val"]
    if best["val"] is not None and defaults["val"] is not None:
        promised = best["val"] - defaults["val"]
        lines.append(f"over the defaults on val: {100 * promised:+.2f} points in the search, whose winner it is; ")
        lines[-1] += f"{100 * gain['mean']:+.2f} on {gain['n']} fresh seeds"
        if gain["low"] is not None and gain["high"] is not None:
            lines[-1] += f" (95 % interval {100 * gain['low']:.2f} to {100 * gain['high']:.2f})"
    rows = {row["label"]: row for row in results["rows"]}
    fresh = [seed["val"]["top1"] for seed in rows[tuning["tuned_row"]]["seeds"]]
    mean = sum(fresh) / len(fresh)
    lines.append(
        f"val of the best trial {percent(best['val'], 2)}, mean of the same setting on fresh seeds {percent(mean, 2)}"
    )
    if tuning["search"]["epochs"] or tuning["search"]["part"]:
        lines[-1] += " (trials had a smaller budget: the two are not the same training)"
    return lines


def tried(tuning: Any) -> list[str]:
    """What was tried and which setting was the best on val, from the outcome of a search."""
    best = _best(tuning)
    states = [trial["state"] for trial in tuning["trials"]]
    values = ", ".join(f"{name} {value:.3g}" for name, value in best["values"].items())
    line = (
        f"{len(states)} trials at seed {tuning['search']['seed']}, {states.count('pruned')} ended early, "
        f"{states.count('diverged')} diverged; best on val: {best['method']}, {values} (trial {best['number'] + 1})"
    )
    if best["defaults"]:
        return [line, "no trial was better than the method's defaults: there is nothing to adopt"]
    return [line]


def _best(tuning: Any) -> TriedOut:
    return next(trial for trial in tuning["trials"] if trial["number"] == tuning["best"])
