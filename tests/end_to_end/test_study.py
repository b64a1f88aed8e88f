"""A study: what its results hold, and what happens to one that was tampered with."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pandas
import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import files
from tutelage.cli import main
from tutelage.errors import Damaged, UserError
from tutelage.measure.classifier import measure
from tutelage.methods.dist import DIST
from tutelage.methods.kd import KD
from tutelage.methods.label_smoothing import LabelSmoothing
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import method_at_defaults
from tutelage.run.record import kept
from tutelage.study.results import labels
from tutelage.study.study import Study
from tutelage.study.watch import Watch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a study of three methods and two seeds; the last method has no teacher."""
    folder = tmp_path_factory.mktemp("study")
    recipe = small.taught(folder, fit=Fit(epochs=2, batch_size=256, learning_rate=0.05))
    smoothed = replace(recipe, method=LabelSmoothing(), teacher=None)
    study = Study((recipe, replace(recipe, method=KD(2.0, 0.5)), smoothed), (0, 1))
    return study.run(small.workspace(folder / "runs")).folder


def test_results_hold_what_the_logits_say(made):
    results = files.read_json(made / "results.json")
    assert [row["label"] for row in results["rows"]] == [
        "baseline",
        "kd",
        "kd (temperature 2, alpha 0.5)",
        "label_smoothing",
    ]
    assert results["teacher"]["name"] == "convnet", "though the last row has none"
    on_test = load_file(made / "test_logits.safetensors")
    for row in results["rows"]:
        for seed in row["seeds"]:
            run = Run.open(made.parent / seed["run"])
            on_val = load_file(run.path / "val_logits.safetensors")
            teacher_agrees = (on_test[seed["run"]].argmax(1) == on_test["teacher"].argmax(1)).double().mean()
            assert seed["test"]["agreement"] == pytest.approx(teacher_agrees.item())
            assert {"agreement", "kl_to_teacher"} <= seed["val"].keys(), "the baseline's too"
            assert seed["val"]["top1"] == measure(on_val["logits"], on_val["labels"])["top1"]
            low, high = seed["interval"]["test"]
            assert low <= seed["test"]["top1"] <= high
        for split, images in (("val", 144), ("test", 359)):
            told = row["fidelity"][split]
            assert sum(b["images"] for b in told["reliability"]) == 2 * images
    for row in results["rows"][1:]:
        assert row["gain"]["test"] | {"n": 2, "pairs": "too few", "verdict": "few", "low": None} == row["gain"]["test"]
        for number, seed in enumerate(row["seeds"]):
            b = results["rows"][0]["seeds"][number]["run"]
            right = [on_test[name].argmax(1) == on_test["labels"] for name in (seed["run"], b)]
            told = seed["mcnemar"]["test"]
            assert told["only_one"] == int((right[0] & ~right[1]).sum())
            gained = (told["only_one"] - told["only_other"]) / 359
            assert gained == pytest.approx(seed["test"]["top1"] - results["rows"][0]["seeds"][number]["test"]["top1"])
        gains = torch.tensor(row["fidelity"]["test"]["class_gain"])
        assert gains.shape == (10,)
    assert results["teacher"]["reliability"]["val"]
    timed = [row["latency_ms"] for row in results["rows"]]
    assert all(one == timed[0] for one in timed), "students of one size are timed once"
    assert all(0 < one["p50"] <= one["p90"] for one in (timed[0], results["teacher"]["latency_ms"]))
    assert "ms an image (PyTorch, one thread)" in (made / "report.html").read_text()
    assert (results["gallery"] is None) == ("label_smoothing" in results["export"]["run"]), "shown where one is taught"
    assert (made / "results.json").stat().st_size < 250_000


def test_a_study_from_before_its_logits_were_kept_goes_on_without(made, tmp_path):
    shutil.copytree(made.parent, tmp_path / "runs")
    folder = tmp_path / "runs" / made.name
    (folder / "test_logits.safetensors").unlink()
    files.write_json(folder / "test.json", kept(folder, "test"))  # that version wrote no seals
    again = Study.open(folder).run(small.workspace(tmp_path / "runs")).folder
    row = files.read_json(again / "results.json")["rows"][1]
    assert "val" in row["fidelity"]
    assert "test" not in row["fidelity"]
    assert len(files.read_lines(tmp_path / "runs" / "test_openings.jsonl")) == 1, "the test split stays shut"


def test_another_process_writes_the_results(made, capsys):
    with files.locked(made / "lock"):
        assert Study.open(made).run(small.workspace(made.parent)) is None
    assert "other processes still work on the results of" in capsys.readouterr().err


def test_the_last_of_several_processes_writes_the_results(made, tmp_path, capsys):
    """Another process holds a run that is not done; once it is gone, whoever comes takes that run, too."""
    shutil.copytree(made.parent, tmp_path / "runs")
    (tmp_path / "runs" / made.name / "results.json").unlink()
    run = next((tmp_path / "runs").glob("digits-kd-*-s1-*"))
    (run / "DONE").unlink()
    study, workspace, watch = Study.open(made), small.workspace(tmp_path / "runs"), Watch()
    with files.locked(run / "lock"):
        assert study.run(workspace, watch=watch) is None
        cost = Run(run).result("cost")
        Run(run).keep("cost", cost | {"seconds": cost["seconds"] + 9})  # as the other process does meanwhile
    assert "other processes still work on 1 run of" in capsys.readouterr().err
    assert run.name not in watch.line["trained"]
    assert not (run / "DONE").exists()
    assert not (tmp_path / "runs" / made.name / "results.json").exists()
    folder = study.run(workspace).folder
    assert files.read_json(folder / "results.json")["rows"] != []
    assert (run / "DONE").exists()


def test_a_study_without_a_baseline_is_none(made, tmp_path):
    """It cannot be built, and a file that was edited so is refused."""
    recipe = Study.open(made).rows[1]
    assert Study((recipe,)).rows[0] == recipe.as_baseline
    shutil.copytree(made, tmp_path / made.name)
    plain = kept(made, "study")
    for recipes in (plain["recipes"][1:], []):
        (tmp_path / made.name / "study.json").write_text(json.dumps(plain | {"recipes": recipes}))
        with pytest.raises(UserError, match="its first recipe is not the baseline"):
            Study.open(tmp_path / made.name)


def test_a_recipe_is_not_compared_with_itself(made):
    recipe = Study.open(made).rows[1]
    with pytest.raises(UserError, match="the same recipe is in the study twice: kd"):
        Study((recipe, replace(recipe, seed=7)))


def test_labels_tell_rows_apart(made):
    recipe = Study.open(made).rows[1]
    methods = [KD(), KD(2.3456), DIST(), method_at_defaults("kd+at"), replace(method_at_defaults("kd+at"), weight=0.5)]
    rows = tuple(replace(recipe, method=method) for method in methods)
    told = ["kd", "kd (temperature 2.35)", "dist", "kd+at", "kd+at (weight 0.5)"]
    assert labels(rows) == told


def test_a_half_written_line_of_metrics_is_left_out(made, tmp_path):
    run = next(made.parent.glob("digits-kd-*-s0-*"))
    shutil.copytree(run, tmp_path / run.name)
    with (tmp_path / run.name / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "split": "val", "na')
    with pytest.raises(Damaged, match=r"metrics\.jsonl is damaged"):
        Run(tmp_path / run.name).metrics()
    (tmp_path / run.name / "DONE").unlink()  # while a run goes on, it is what a crash leaves
    assert Run(tmp_path / run.name).metrics() == Run(run).metrics()
    assert Run(run).curve("val", "top1")


def test_the_table_can_be_taken_away(made, tmp_path, capsys):
    before = (made / "report.html").stat().st_mtime_ns
    main(["report", str(made), "--to", "md"])
    lines = capsys.readouterr().out.splitlines()
    labels = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    assert labels == ["teacher convnet", "baseline", "kd", "kd (temperature 2, alpha 0.5)", "label_smoothing"]
    main(["report", str(made), "--to", "parquet", "--output", str(tmp_path / "table.parquet")])
    assert len(pandas.read_parquet(tmp_path / "table.parquet")) == 5
    assert (made / "report.html").stat().st_mtime_ns == before


def test_what_is_finished_is_looked_at_without_torch(made):
    """It takes longer to import than to look at a thousand runs."""
    before = (made / "report.html").read_bytes()
    names = [row["seeds"][0]["run"] for row in kept(made, "results")["rows"]]
    lines = [["report", str(made)], ["compare", str(made)], ["compare", *(str(made.parent / name) for name in names)]]
    lines.append(["cache", "list", "--runs", str(made.parent)])
    program = "import sys\nfrom tutelage.cli import main\n"
    program += "".join(f"main({words!r})\nassert 'torch' not in sys.modules, {words!r}\n" for words in lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 views of 1,294 images" in done.stdout
    assert (made / "report.html").read_bytes() == before
