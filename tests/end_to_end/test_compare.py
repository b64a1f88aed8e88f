"""Runs side by side: the same numbers as scipy's on the same logits, and a refusal where they cannot be compared."""

import io
import json
import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
from scipy import stats

import small
from tutelage import files, sealed
from tutelage.cli import main
from tutelage.data import Data
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.study.study import Study
from tutelage.training.hits import VAL_FILE
from tutelage.training.loop import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of kd and its baseline with three seeds, and of another student and kd with one."""
    made = tmp_path_factory.mktemp("runs")
    recipe = small.taught(made, fit=Fit(epochs=1, batch_size=256, learning_rate=0.05))
    recipes = [replace(one, seed=seed) for one in (recipe, recipe.as_baseline) for seed in (0, 1, 2)]
    recipes += [replace(recipe, method=KD(2.0)), replace(recipe, student=Model("convnet"), seed=5)]
    for one in recipes:
        train(one, small.workspace(made))
    return made


def paths(folder, pattern):
    return sorted(str(path) for path in folder.glob(pattern))


def test_the_numbers_are_those_of_the_logits(folder, capsys):
    main(["compare", *paths(folder, "digits-kd-convnet-s*"), *paths(folder, "digits-baseline-*"), "--json"])
    told = json.loads(capsys.readouterr().out)
    by_label = {group["label"]: group for group in told["groups"]}
    baseline = told["groups"][0]
    assert baseline["label"] == "baseline"
    assert baseline["seeds"] == [0, 1, 2]
    assert "difference" not in baseline
    kd = next(group for group in by_label.values() if group["seeds"] == [0, 1, 2] and group is not baseline)
    test = stats.ttest_rel(kd["top1"], baseline["top1"])
    assert kd["difference"]["p"] == pytest.approx(test.pvalue)
    assert kd["difference"]["p_adjusted"] == pytest.approx(test.pvalue), "the only one with an interval"
    alone = next(group for group in by_label.values() if group["seeds"] == [0] and "2.0" in group["label"])
    assert alone["shared"] == [0]
    assert alone["difference"]["verdict"] == "few"
    assert alone["interval"][0] <= alone["top1"][0] <= alone["interval"][1]
    (paired,) = alone["mcnemar"]
    gained = (paired["only_one"] - paired["only_other"]) / told["images"]
    assert gained == pytest.approx(alone["difference"]["mean"])
    other = next(group for group in by_label.values() if group["seeds"] == [5])
    assert other["shared"] == []
    assert other["difference"] is None
    assert {d["field"] for d in told["differences"]} >= {"method.name", "method.temperature", "student.options"}


def test_the_table_can_be_taken_away(folder, capsys):
    chosen = [*paths(folder, "digits-kd-convnet-s*"), *paths(folder, "digits-baseline-*")]
    main(["compare", *chosen, "--json"])
    groups = {group["label"]: group for group in json.loads(capsys.readouterr().out)["groups"]}
    main(["compare", *chosen, "--to", "csv"])
    frame = pandas.read_csv(io.StringIO(capsys.readouterr().out)).set_index("runs")
    assert list(frame.index) == list(groups)
    for label, group in groups.items():
        row = frame.loc[label]
        assert row.n == len(group["seeds"])
        assert row.val_top1 == pytest.approx(statistics.mean(group["top1"]), abs=1e-12)
        difference = group.get("difference")
        assert math.isnan(row.difference) if difference is None else row.difference == difference["mean"]


def test_the_table_says_what_may_be_said(folder, capsys):
    main(["compare", *paths(folder, "digits-kd-convnet-s*"), *paths(folder, "digits-baseline-*")])
    told = capsys.readouterr().out
    assert "on val of digits (144 images), epochs: 1" in told
    assert "against baseline (95 % interval, n)" in told
    assert "very few seeds" in told
    assert "no seed is shared with baseline: not paired" in told
    assert "McNemar p = " in told
    assert "over the images (bootstrap)" in told
    assert "method.temperature" in told
    assert "teacher.fit" not in told
    assert "\x1b" not in told


def refused(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *map(str, words)])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert "hint: " in err
    return err


def test_what_cannot_be_compared_is_refused_with_its_reason(folder, tmp_path, capsys):
    (kd,) = paths(folder, "digits-kd-convnet-s1-*")
    base = small.taught(tmp_path, fit=Fit(epochs=1, batch_size=256, learning_rate=0.05)).as_baseline
    others = {
        "fit.epochs is 1 and 2": replace(base, fit=replace(base.fit, epochs=2)),
        "data.part is 0 and 600": replace(base, data=Data("digits", part=600)),
        "data.val_share is 0.1 and 0.2": replace(base, data=Data("digits", val_share=0.2)),
        "augment.seed is 0 and 3": replace(base, augment=replace(base.augment, seed=3)),
        "views is 2 and 1": replace(base, views=1),
    }
    for reason, other in others.items():
        run = train(other, small.workspace(tmp_path))
        assert reason in refused([kd, run.path], capsys)
    assert "there is nothing to compare" in refused(paths(folder, "digits-baseline-*"), capsys)
    assert "holds no run" in refused([kd, tmp_path / "gone"], capsys)


def test_runs_that_were_validated_on_other_images_are_not_paired(folder, tmp_path, capsys):
    """Files of a folder come and go, and so do val's images: as many as before say nothing."""
    runs = tmp_path / "runs"
    shutil.copytree(folder, runs)
    chosen = [*paths(runs, "digits-kd-convnet-s0*")[:1], *paths(runs, "digits-baseline-convnet-s0*")]
    run = Run(Path(chosen[0]))
    tensors = sealed.read_tensors(run.path / VAL_FILE, run.what(VAL_FILE))
    others = tensors | {"labels": tensors["labels"].roll(1)}
    sealed.write_tensors(run.path / VAL_FILE, others, run.what(VAL_FILE))
    assert "they were validated on other images" in refused(chosen, capsys)
    sealed.write_tensors(run.path / VAL_FILE, tensors, run.what(VAL_FILE))
    main(["compare", *chosen, "--json"])
    before = capsys.readouterr().out
    (run.path / VAL_FILE).write_bytes((run.path / VAL_FILE).read_bytes()[:-4])
    main(["compare", *chosen, "--json"])
    assert capsys.readouterr().out == before, "computed again"


def test_runs_deleted_under_a_study_are_named(folder, tmp_path, capsys):
    runs = tmp_path / "runs"
    shutil.copytree(folder, runs)
    recipe = replace(small.taught(tmp_path, fit=Fit(epochs=1, batch_size=256, learning_rate=0.05)), method=KD())
    study = runs / "study-digits"
    files.write_json(study / "study.json", Study((recipe,), (0, 1)).to_dict())
    assert "has no results yet" in refused([study], capsys)
    names = [path.name for path in sorted(runs.glob("digits-baseline-*"))[:2]]
    names += [path.name for path in sorted(runs.glob("digits-kd-convnet-s[12]-*"))]
    rows = [{"seeds": [{"run": name} for name in pair]} for pair in (names[:2], names[2:])]
    files.write_json(study / "results.json", {"schema": 1, "rows": rows})
    main(["compare", str(study)])
    assert "not paired" not in capsys.readouterr().out.splitlines()[2]
    shutil.rmtree(runs / names[1])
    told = refused([study], capsys)
    assert names[1] in told
    assert names[0] not in told
    assert "trains them again" in told


def test_runs_made_under_other_conditions_are_warned_of(folder, tmp_path, capsys):
    runs = tmp_path / "runs"
    shutil.copytree(folder, runs)
    chosen = [*paths(runs, "digits-kd-convnet-s0*")[:1], *paths(runs, "digits-baseline-convnet-s0*")[:1]]
    main(["compare", *chosen])
    before = capsys.readouterr().out
    assert "not all runs had the same" not in before
    assert "144 validation images are few" in before
    run = Run(Path(chosen[0]))
    told = run.result("environment")
    assert {"device", "world"} <= told.keys()
    told["machine"]["threads"] = 64
    run.keep("environment", told)
    main(["compare", *chosen])
    warned = capsys.readouterr().out
    assert f"warning: not all runs had the same threads: 64 ({Path(chosen[0]).name}), 1 (" in warned or (
        "warning: not all runs had the same threads: 1 (" in warned
    )
    main(["compare", *chosen, "--json"])
    (apart,) = json.loads(capsys.readouterr().out)["conditions"]
    assert (apart["condition"], set(apart["values"])) == ("threads", {"1", "64"})
