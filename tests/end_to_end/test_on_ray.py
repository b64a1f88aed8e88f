"""The runs of a study on a Ray cluster of two nodes on this machine, one of which is killed in the middle."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

import small
from tutelage import files
from tutelage.errors import UserError
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.record import kept as kept_results
from tutelage.run.space import with_values
from tutelage.study import on_ray, work
from tutelage.study.jobs import Jobs
from tutelage.study.search import Search
from tutelage.study.study import Study
from tutelage.study.watch import Watch
from tutelage.training.loop import train
from typing_commands import command, told, wait_for

FIT = Fit(epochs=30, batch_size=256, learning_rate=0.05)


def test_without_ray_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs Ray, which is not installed"):
        on_ray.do([], "ray", on_ray.Share(1, 0), print)
    with pytest.raises(UserError, match="--on slurm"):
        Jobs(on="slurm")


def test_a_node_is_killed_and_the_study_ends_in_the_same_bits(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'tutelage[ray]'")
    from ray_cluster import two_nodes

    study = Study((small.taught(tmp_path, fit=FIT),), (0, 1))
    alone = small.workspace(tmp_path / "alone")
    work.train_all(study.every, alone, Watch())
    files.write_json(tmp_path / "kd.json", study.rows[1].to_dict())
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with two_nodes(environment) as cluster:
        flags = "--on", "ray", "--engine.threads", "1", "--engine.device", "cpu", "--seeds", "0", "1"
        os.environ["RAY_ADDRESS"] = cluster.address
        device = "--engine.device", "cpu", "--runs", "filled"
        filled = [told("cache", "fill", "kd.json", "--on", "ray", *device, cwd=tmp_path) for _ in range(2)]
        process = command("distill", "kd.json", *flags, cwd=tmp_path)
        del os.environ["RAY_ADDRESS"]
        # Both nodes have a run, and each of the two has kept something.
        wait_for(lambda: len(kept(tmp_path / "runs")) >= 2, process, 200)
        cluster.kill(1)
        _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert [int(re.search(r"([\d,]+) teacher", text)[1].replace(",", "")) for text in filled] == [2 * 1294, 0]
    for recipe in study.every:
        one, other = (Run.of(recipe, runs) for runs in (tmp_path / "runs", alone.runs))
        assert small.same_tensors(load_file(one.weights), load_file(other.weights))
        assert one.metrics() == other.metrics()
        assert " distill kd.json --on ray" in one.result("environment")["command"]
    gone_on = [line for run in (tmp_path / "runs").glob("*/log.txt") for line in run.read_text().splitlines()]
    begun = [int(match[1]) for line in gone_on if (match := re.search(r"step (\d+) of \d+ on", line))]
    assert len(begun) == 5, "one of the four was begun again"
    assert max(begun) > 0, "from its last checkpoint"
    assert (study.folder(tmp_path / "runs") / "results.json").exists()


def test_the_trials_of_a_search_are_made_on_all_nodes(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'tutelage[ray]'")
    pytest.importorskip("optuna", reason="pip install 'tutelage[tune]'")
    from ray_cluster import two_nodes

    recipe = small.taught(tmp_path, fit=replace(FIT, epochs=3))
    files.write_json(tmp_path / "kd.json", recipe.to_dict())
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with two_nodes(environment) as cluster:
        flags = "--engine.threads", "1", "--engine.device", "cpu", "--seeds", "7", "8", "--search.trials", "4"
        os.environ["RAY_ADDRESS"] = cluster.address
        process = command("tune", "kd.json", *flags, "--on", "ray", cwd=tmp_path)
        del os.environ["RAY_ADDRESS"]
        _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    folder = next((tmp_path / "runs").glob("study-*"))
    results = kept_results(folder, "results")
    trials = results["tuning"]["trials"]
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3]
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    assert {seed["seed"] for row in results["rows"] for seed in row["seeds"]} == {7, 8}
    runs = [Run(path.parent) for path in (tmp_path / "runs").glob("digits-*/recipe.json")]
    assert all(run.done for run in runs)
    best = next(trial for trial in trials if trial["number"] == results["tuning"]["best"])
    alone = small.workspace(tmp_path / "alone")
    tried = replace(recipe, method=with_values(recipe.method, best["values"]), seed=Search().seed)
    assert small.same_tensors(
        load_file(train(tried, alone).weights), load_file(Run.of(tried, tmp_path / "runs").weights)
    )


def kept(runs: Path) -> list[Path]:
    """The runs that are under way and have a checkpoint."""
    return [
        run for run in runs.glob("*-s[01]-*") if list(run.glob("checkpoints/step_*")) and not (run / "DONE").exists()
    ]
