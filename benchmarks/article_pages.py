"""What `article_mistakes.py` and `lite0.py` measured, in words: docs/results/article_mistakes.md, and the measured
sentences of docs/guides/article.md. A test compares both with the JSON files.

    python benchmarks/article_pages.py
"""

import json
import re
import statistics
from typing import Any

from _common import RESULTS
from tutelage.measure.statistics import paired_gain

GUIDE = RESULTS.parent / "guides" / "article.md"
PLACE = re.compile(r"(<!-- measured (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SETS = {
    "digits": ("the digits", "Handwritten digits: resnet20, trained on the same images, teaches resnet8"),
    "cifar10": ("CIFAR-10", "CIFAR-10: the published ResNet-8 of MLPerf Tiny teaches a resnet8 that sees 16 pixels"),
}
WORDS = {
    "right": "**none: the article's lesson as it was meant**",
    "by_batch_number": "the teacher's answers kept by batch number, the loader shuffled anew",
    "kl_by_classes": "KL divided by the batch *and* the ten classes",
    "new_adam": "a new Adam every epoch",
    "reload_best": "the best epoch's weights loaded back before the next epoch",
    "no_augmentation": "no augmentation",
    "all": "all five: the article as it is written",
    "alone": "no teacher",
    "alone, no augmentation": "no teacher, no augmentation",
}
HEADS = {
    "head, eval mode": "**none: frozen backbone in eval mode**",
    "head, train mode": "frozen backbone in train mode, then eval mode",
}


def result(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What docs/results/article_mistakes.json holds: every cell by seed, and what it lost against the right one."""
    result: dict[str, Any] = {}
    for line in sorted(lines, key=lambda line: (line["data"], line["seed"])):
        cell = result.setdefault(line["data"], {}).setdefault(line["cell"], {})
        for name, value in line.items():
            if name not in ("data", "cell") and value is not None:
                cell.setdefault(name, []).append(value)
    for cells in result.values():
        for name, row in cells.items():
            right = cells["head, eval mode" if name in HEADS else "right"]
            pairs = dict(zip(right["seed"], right["val_top1"], strict=True))
            both = [(v, pairs[seed]) for seed, v in zip(row["seed"], row["val_top1"], strict=True) if seed in pairs]
            if row is not right and both:
                gain = paired_gain(*map(list, zip(*both, strict=True)))
                row["against_right"] = {
                    key: gain[key] if gain[key] is None else round(gain[key], 3) for key in ("mean", "n", "low", "high")
                }
    return result


def page(result: dict[str, Any]) -> str:
    """docs/results/article_mistakes.md."""
    lines = [
        "# What each mistake of the article costs",
        "",
        "`python benchmarks/article_mistakes.py` has the settings; the article's numbers everywhere: T = 1, "
        "alpha = 0.5, Adam 1e-3, batch 64; 8 epochs, crop and flip (digits: crop), 4 views, unless the row says "
        "otherwise. Accuracy of the last weights on four fifths of val; the test split was not opened. Differences are "
        "paired by seed, with a 95 % t-interval from 3 seeds on.",
    ]
    for name, (_, long) in SETS.items():
        if name not in result:
            continue
        cells = result[name]
        lines += ["", f"## {long}", ""]
        lines += [
            "| mistake | val top-1 | against none | teacher's answers that are right | n |",
            "|---|---|---|---|---|",
        ]
        lines += [row(words, cells[cell]) for cell, words in WORDS.items() if cell in cells]
        promised, kept = chosen_epoch(cells["right"])
        lines += [
            "",
            "The best epoch of the first row's runs, chosen on the other fifth of val, beats the last by "
            f"{promised:.2f} points there, and by {kept:.2f} points here.",
        ]
        if "head, train mode" in cells:
            moving = cells["head, train mode"]
            lines += [
                "",
                "A new head on the frozen EfficientNet-lite0 (ImageNet weights), 2 epochs at 64 pixels; all of val:",
                "",
                "| mistake | val top-1 | against none | | n |",
                "|---|---|---|---|---|",
            ]
            lines += [row(words, cells[cell]) for cell, words in HEADS.items() if cell in cells]
            lines += ["", f"Left in train mode when it is asked: {neighbours(moving)}"]
    return "\n".join(lines) + "\n"


def row(words: str, cell: dict[str, Any]) -> str:
    """A line of the table."""
    top1 = cell["val_top1"]
    spread = f" +- {statistics.stdev(top1):.2f}" if len(top1) > 1 else ""
    gain = cell.get("against_right")
    against = ""
    if gain is not None:
        interval = "" if gain["low"] is None else f" ({gain['low']:+.2f} to {gain['high']:+.2f})"
        against = f"{gain['mean']:+.2f}{interval}"
    right = f"{statistics.mean(cell['answers_right']):.1f} %" if "answers_right" in cell else ""
    return f"| {words} | {mean(cell):.2f}{spread} % | {against} | {right} | {len(top1)} |"


def mistakes(result: dict[str, Any]) -> dict[str, str]:
    """Sentences from article_mistakes.json: one a data set."""
    found: dict[str, list[str]] = {}
    for name, (short, _) in SETS.items():
        cells = result.get(name, {})
        for cell in WORDS:
            if cell in cells and cell != "right":
                text = f"On {short}: {sentence(cells[cell], cells['right'])}"
                if cell == "by_batch_number":
                    hits, meant = (statistics.mean(cells[c]["answers_right"]) for c in (cell, "right"))
                    text += f" The teacher's answers, right {meant:.1f} % of the time, are so {hits:.1f} % of the time."
                if cell == "all":
                    text += f" Without any teacher: {mean(cells['alone']):.2f} %."
                found.setdefault(cell, []).append(text)
        if "right" in cells:
            promised, kept = chosen_epoch(cells["right"])
            found.setdefault("best epoch", []).append(
                f"On {short}: the best epoch beats the last by {promised:.2f} points on the images on which it was "
                f"chosen, by {kept:.2f} on others (mean of {len(cells['right']['seed'])} runs)."
            )
        if "head, train mode" in cells:
            moving = cells["head, train mode"]
            found["batchnorm"] = [
                f"A new head on EfficientNet-lite0, {short}: {sentence(moving, cells['head, eval mode'])}",
                f"Never put into eval mode at all: {neighbours(moving)}",
            ]
    return {name: "\n>\n> ".join(texts) for name, texts in found.items()}


def neighbours(moving: dict[str, Any]) -> str:
    """What a teacher in train mode says."""
    return (
        f"{statistics.mean(moving['train_mode_changed']):.1f} % of its answers change when the same images come in "
        f"batches with other neighbours, {statistics.mean(moving['train_mode_top1']):.2f} % are right."
    )


def lite0(result: dict[str, Any]) -> dict[str, str]:
    """Sentences from lite0.json."""
    teachers, lost = result["teachers"], result["lost"]
    found = {}
    if "at 32 pixels" in teachers:
        found["at 32 pixels"] = (
            f"A new head on EfficientNet-lite0: {teachers['teacher']['val_top1']:.2f} % at {result['size']} pixels, "
            f"{teachers['at 32 pixels']['val_top1']:.2f} % at 32."
        )
    if "wrong when loaded" in lost:
        found["wrong network"] = (
            f"A teacher trained under the right name loses {lost['wrong when loaded']:.2f} points under the other."
        )
    return found


def head(result: dict[str, Any]) -> dict[str, str]:
    """The sentence from head.json."""
    return {
        "head": f"Ten epochs cost {result['ratio']:.2f} bare forward passes over the images "
        f"({result['images']:,} images, EfficientNet-lite0 at {result['size']} pixels)."
    }


def sentence(wrong: dict[str, Any], right: dict[str, Any]) -> str:
    """What a mistake costs, and whether that was shown."""
    gain = wrong["against_right"]
    text = f"{mean(wrong):.2f} % instead of {mean(right):.2f} %, {gain['mean']:+.2f} points"
    if gain["low"] is None:
        return f"{text} (n = {gain['n']}, too few for an interval)."
    text += f" (95 %: {gain['low']:+.2f} to {gain['high']:+.2f}, n = {gain['n']})."
    return text if gain["low"] * gain["high"] > 0 else text + " The interval contains zero: nothing was shown."


def chosen_epoch(row: dict[str, Any]) -> tuple[float, float]:
    """Points by which the best epoch beats the last: on the images it was chosen on, and on others."""
    promised = statistics.mean(row["best_chosen_on"]) - statistics.mean(row["last_chosen_on"])
    return promised, statistics.mean(row["best_val_top1"]) - mean(row)


def mean(row: dict[str, Any]) -> float:
    """Over the seeds."""
    return statistics.mean(row["val_top1"])


def sentences() -> dict[str, str]:
    """Every sentence whose results are there."""
    found: dict[str, str] = {}
    for name, speak in (("article_mistakes", mistakes), ("lite0", lite0), ("head", head)):
        path = RESULTS / f"{name}.json"
        if path.exists():
            found |= speak(json.loads(path.read_text()))
    return found


def filled(text: str, sentences: dict[str, str]) -> str:
    """The page with every sentence in its place; a place without a sentence is left empty."""

    def fill(place: re.Match[str]) -> str:
        name = place["name"]
        return place[1] + (f"> {sentences[name]}\n" if name in sentences else "") + place[3]

    return PLACE.sub(fill, text)


def main() -> None:
    """Writes the guide's sentences anew."""
    GUIDE.write_text(filled(GUIDE.read_text(), sentences()))


if __name__ == "__main__":
    main()
