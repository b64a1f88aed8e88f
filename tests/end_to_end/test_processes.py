"""One run in several processes: what one process trains, whoever starts them, and whatever happens to one of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import small
from tutelage import files
from tutelage.data import Data, load, test_split
from tutelage.methods import METHODS
from tutelage.run.optim import Fit
from tutelage.training.loop import train

HERE = Path(__file__).parent.parent
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d")
TORCHRUN = (*TORCHRUN, "--rdzv-endpoint", "localhost:0")


def run(*words, cwd):
    """A command in a process of its own."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True)


def test_two_processes_train_what_one_does_by_every_method(tmp_path):
    """Weights, statistics, adapters and memories after ten steps; with BatchNorm."""
    sys.path.insert(0, str(HERE.parent / "benchmarks"))
    import processes

    found = processes.differences(list(METHODS), tmp_path)
    assert found.keys() == METHODS.keys()
    assert {name: apart for name, apart in found.items() if not apart < 1e-4} == {}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Three epochs of ten steps, taught from a cache."""
    folder = tmp_path_factory.mktemp("recipe")
    recipe = small.taught(folder, student=small.NORMED, fit=Fit(epochs=3, batch_size=128, learning_rate=0.01))
    files.write_json(folder / "recipe.json", recipe.to_dict())
    return recipe, folder / "recipe.json"


def test_stopped_or_killed_in_one_process_a_run_ends_in_the_same_bits(tmp_path, recipe):
    recipe, file = recipe
    words = ("train", file, "--engine.device", "cpu", "--engine.threads", 1, "--runs")
    here = (HERE / "interrupted.py",)

    stopped = run(*here, "SIGUSR1", 7, *words, "stopped", "--engine.devices", 2, cwd=tmp_path)
    assert stopped.returncode == 75, stopped.stderr
    assert "stopped after step 7 of 30; the same command goes on from there" in stopped.stderr
    assert "GLOBAL_RANK" not in stopped.stderr
    assert stopped.stderr.count("stopped after step") == 1, "the first of the processes speaks for all"
    by_torchrun = run(*TORCHRUN, *here, "none", 0, *words, "stopped", cwd=tmp_path)
    assert by_torchrun.returncode == 0, by_torchrun.stderr
    assert by_torchrun.stdout.count("val top-1") == 1

    killed = run(*here, "SIGKILL", 17, *words, "killed", "--engine.devices", 2, cwd=tmp_path)
    assert (killed.returncode, killed.stderr.count("error: ")) == (2, 1), killed.stderr
    assert "error: a process of this run has ended before the others\n\nhint: " in killed.stderr
    assert "Traceback" not in killed.stderr
    resumed = run(*here, "none", 0, *words, "killed", "--engine.devices", 2, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    left = [line for done in (stopped, by_torchrun, resumed) for line in done.stdout.splitlines() if "left: " in line]
    assert len(left) >= 6
    assert set(left) == {"left: []"}, "gloo's threads outlive the interpreter"

    (one,), (other,) = ((tmp_path / name).glob("*/student.safetensors") for name in ("stopped", "killed"))
    assert small.same_tensors(load_file(one), load_file(other))
    alone = load_file(train(recipe, small.workspace(tmp_path / "alone")).weights)
    for name, tensor in load_file(one).items():
        torch.testing.assert_close(tensor, alone[name], rtol=0, atol=1e-3)
    curves = [
        [json.loads(line)["value"] for line in (path.parent / "metrics.jsonl").open()]
        for path in (one, next((tmp_path / "alone").glob("*/student.safetensors")))
    ]
    assert curves[0] == pytest.approx(curves[1], abs=2e-3)
    cost, told = (json.loads((one.parent / f"{name}.json").read_text()) for name in ("cost", "environment"))
    assert cost["teacher_passes_paid"] == 2 * 1294
    assert told["world"] == 2


def test_a_fill_uses_all_devices(tmp_path, recipe):
    recipe, file = recipe
    words = ("cache", "fill", file, "--engine.device", "cpu", "--engine.threads", 1, "--engine.devices", 2)
    filled = run("-m", "tutelage", *words, cwd=tmp_path)
    assert filled.returncode == 0, filled.stderr
    assert "2,588 teacher passes now" in filled.stdout


def test_two_processes_open_the_test_split_at_once(tmp_path):
    ledger = tmp_path / "test_openings.jsonl"
    data = load(Data("digits"))
    script = (
        "import sys; from pathlib import Path; from tutelage.data import Data, load, test_split\n"
        "data = load(Data('digits')); print('ready', flush=True)\n"
        "for i in range(40): test_split.open_test(data, Path(sys.argv[1]), run=f'child {i}', reason='r' * 5000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(ledger)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        for i in range(40):
            test_split.open_test(data, ledger, run=f"parent {i}", reason="r" * 5000)
    assert child.returncode == 0
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for process in ("child", "parent"):
        assert [line["run"] for line in lines if process in line["run"]] == [f"{process} {i}" for i in range(40)]
    assert len(test_split.openings(ledger)) == 80
