"""What a card, a report or a table says stays true whatever is done afterwards: numbers are held against the JSON."""

import json
import re
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

import small
from pages import Reader
from tutelage import files, sealed
from tutelage.cli import main
from tutelage.measure.measures import MEASURES
from tutelage.measure.statistics import binomial_interval
from tutelage.methods.kd import KD
from tutelage.progress import duration, size
from tutelage.run.optim import Fit
from tutelage.run.recipe import to_toml

SAID_ALWAYS = {"95", "90", "8", "20", "0", "1"}
"""The level of intervals, a percentile, bits, classes that are listed, the range of pixels."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A file; its student learns enough in a second to be handed over."""
    folder = tmp_path_factory.mktemp("recipe")
    taught = small.taught(
        folder, fit=Fit(epochs=4, batch_size=64, learning_rate=0.1), method=KD(temperature=2.0, alpha=0.1)
    )
    (folder / "recipe.toml").write_text(to_toml(replace(taught)))
    return folder / "recipe.toml"


def steps(recipe, runs):
    """The commands that may follow each other; those on a run act on the one that the first study hands over."""
    common = ["--runs", str(runs), "--engine.threads", "1"]

    def shown():
        (study,) = [path for path in runs.glob("study-*") if "-tuned-" not in path.name]
        return str(runs / sealed.read_json(study / "results.json")["export"]["run"])

    return {
        "distill": lambda: main(["distill", str(recipe), "--seeds", "0", "1", "--force", *common]),
        "export": lambda: main(["export", shown(), "--force"]),
        "finish": lambda: main(["export", shown(), "--format", "onnx-int8", "--finish", "1", "--force"]),
        "tune": lambda: main(["tune", str(recipe), "--search.trials", "3", "--seeds", "0", "1", "--force", *common]),
        "evaluate": lambda: main(["evaluate", shown(), "--open-test", "a look"]),
        "push": lambda: main(["push", shown(), "ann/student", "--dry-run"]),
    }


@pytest.mark.parametrize(
    "order",
    [
        ("distill", "export", "finish", "tune", "push"),
        ("distill", "tune", "finish", "evaluate", "export", "distill", "push"),
        ("distill", "evaluate", "push", "tune", "distill", "finish", "export"),
    ],
    ids="-".join,
)
def test_no_later_command_makes_a_sentence_false(order, recipe, tmp_path, capsys):
    pytest.importorskip("optuna")
    does = steps(recipe, tmp_path / "runs")
    for name in order:
        does[name]()
        capsys.readouterr()
        check_everything(tmp_path / "runs", capsys)


def check_everything(runs: Path, capsys) -> None:
    """Every study's table and page, every run's card."""
    for study in runs.glob("study-*/results.json"):
        main(["report", str(study.parent)])
        table = capsys.readouterr().out
        page = Reader((study.parent / "report.html").read_text()).text
        check_study(study.parent, " ".join(table.split()), " ".join(page.split()))
    cards = list(runs.glob("*/README.md"))
    assert cards
    for card in cards:
        check_card(card)


def check_study(study: Path, table: str, page: str) -> None:
    results = sealed.read_json(study / "results.json")
    opened = [o for o in files.read_lines(study.parent / "test_openings.jsonl")]
    told = re.search(r"test split opened (\w+) by this study, (\w+)(?: times)? in all until (\S+ \S+)", table)
    assert told
    until = told[3].replace(" ", "T")
    number = {"once": 1, "twice": 2}.get(told[2]) or int(told[2])
    assert number == len([o for o in opened if o["time"] <= until])
    assert told[1] == "once" == {1: "once"}[len([o for o in opened if o["run"] == study.name])]
    assert told[0].removeprefix("test").removesuffix("+00:00") in page

    lines = files.read_lines(study / "commands.jsonl")
    seconds = results["cost"]["wall_seconds"]
    searched = (
        files.read_lines(study.parent / results["tuning"]["folder"] / "commands.jsonl") if results["tuning"] else []
    )
    assert seconds <= sum(line["seconds"] for line in [*lines, *searched]) + 0.2
    assert f"{duration(seconds)} in all" in table
    assert f"{duration(seconds)} in all" in page
    assert results["cost"]["own_seconds"]["students"] <= seconds

    export = results["export"]
    row = max(results["rows"][1:], key=lambda row: sum(seed["val"]["top1"] for seed in row["seeds"]))
    best = max(
        row["seeds"], key=lambda seed: sealed.read_json(study.parent / seed["run"] / "evaluation.json")["val"]["top1"]
    )
    assert export["run"] == best["run"]
    mean = statistics.mean(seed["val"]["top1"] for seed in row["seeds"])
    reached, of_all = (f"{100 * share:.1f} %" for share in (best["val"]["top1"], mean))
    said = f"to hand over: {best['run']}, of 2 seeds of {row['label']} the best on val ({reached}; mean {of_all})"
    assert said in table
    if export["onnx"]:
        assert (
            f"exported {best['run']}/student.onnx: {size((study.parent / best['run'] / 'student.onnx').stat().st_size)}"
            in table
        )
    for split, images in (("validation", 144), ("test", 359)):
        assert f"{images} {split} images are few" in table
        assert f"{images} {split} images are few" in page


def check_card(card: Path) -> None:
    """Every number of a card is one of the files beside it, at the precision that it is written with."""
    run, runs, text = card.parent, card.parent.parent, card.read_text().split("---\n", 2)[2]
    measured = [study for study in run.parent.glob("study-*/test.json") if run.name in sealed.read_json(study)["runs"]]
    assert measured, "every run with a card is of a study here"
    test = sealed.read_json(measured[0])["runs"][run.name]
    assert "Never measured on test" not in text
    assert f"| test | 359 | {100 * test['top1']:.2f}% |" in text.replace(" %", "%") or "| test | 359 |" in text
    evaluation = sealed.read_json(run / "evaluation.json")
    known = list(numbers([evaluation, test]))
    for name in ("export", "card", "cost", "recipe", "handed_over"):
        if (run / f"{name}.json").exists():
            known += numbers(sealed.read_json(run / f"{name}.json"))
    for of_split in (evaluation["val"], test):
        known += binomial_interval(of_split["top1"], of_split["images"])
        known.append(abs(of_split["confidence"] - of_split["top1"]))
    body = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL).replace("\\-", "-")
    for other in runs.glob("*/evaluation.json"):
        if other.parent.name in body:  # "right on 66 of 144"
            of_other = sealed.read_json(other)["val"]
            known += [round(of_other["top1"] * of_other["images"]), of_other["images"]]
    for name in sorted((path.name for path in runs.iterdir()), key=len, reverse=True):
        body = body.replace(name, "")
    for row in MEASURES.values():
        body = body.replace(f"{row.title}: {row.words}", "").replace(f" {row.title} |", "")
    body = body.replace(" of " + str(sealed.read_json(run / "environment.json")["machine"]["processor"]), "")
    for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", body):
        assert number in SAID_ALWAYS or explained(number, known), (number, body)
    for name, file in sealed.read_json(run / "export.json").items():
        assert (run / file["file"]).stat().st_size == file["bytes"], name
        assert f"`{file['file']}` | {size(file['bytes'])} | {100 * file['val_top1']:.2f} %" in text
    if (run / "handed_over.json").exists():
        handed = sealed.read_json(run / "handed_over.json")
        row = next(
            r
            for r in sealed.read_json(run.parent / handed["study"] / "results.json")["rows"]
            if r["label"] == handed["method"]
        )
        for split in ("val", "test"):
            assert handed["mean"][split] == pytest.approx(statistics.mean(seed[split]["top1"] for seed in row["seeds"]))
        assert "best on the validation images, so it is lucky there" in text


def numbers(value):
    """Every number in a JSON value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        yield len(value)
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield float(value)
        yield from (value / 1e3, value / 1e6) if isinstance(value, int) else ()


def explained(number: str, known: list[float]) -> bool:
    """Whether it is a known value or share, rounded as it is written."""
    written = float(number.replace(",", ""))
    decimals = len(number.partition(".")[2].partition("e")[0])
    half = 0.5001 * 10.0**-decimals
    return any(
        abs(written - way) <= max(half, 0.005 * abs(way) * ("e" in number)) for v in known for way in (v, 100 * v)
    )


def test_one_data_set_s_openings_are_not_another_s(recipe, tmp_path, capsys):
    """Nor are those of records that do not say which: they are counted, and said so."""
    runs = tmp_path / "runs"
    other = {"time": "2026-01-01T00:00:00+00:00", "run": "x", "reason": "y"}
    files.append_line(runs / "test_openings.jsonl", other | {"data": "cats", "split": "cats"})
    files.append_line(runs / "test_openings.jsonl", other)
    main(["distill", str(recipe), "--seeds", "0", "--runs", str(runs), "--engine.threads", "1"])
    told = capsys.readouterr().out
    assert "opened once by this study, twice in all until" in told
    assert "; 1 of these in records that do not say which data set was opened" in told
    assert json.loads((runs / "test_openings.jsonl").read_text().splitlines()[-1])["split"] == "digits"
