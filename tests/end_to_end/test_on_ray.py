"""The runs of a study on a Ray cluster of two nodes on this machine, one of which is killed in the middle."""

import os
import re
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import small
from tutelage import files
from tutelage.errors import UserError
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.study import on_ray, work
from tutelage.study.jobs import Jobs
from tutelage.study.study import Study
from tutelage.study.watch import Watch
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


def kept(runs: Path) -> list[Path]:
    """The runs that are under way and have a checkpoint."""
    return [
        run for run in runs.glob("*-s[01]-*") if list(run.glob("checkpoints/step_*")) and not (run / "DONE").exists()
    ]
