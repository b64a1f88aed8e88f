"""The command line as a user types it, in processes of their own."""

import json
import os
import random
import re
import signal
import subprocess
import sys

import pytest
from safetensors.torch import save_file

import small
from typing_commands import command, told, told_together, wait_for

RECIPE = """
views = 2
[data]
name = "digits"
[student]
name = "convnet"
options = {widths = [4, 8], hidden = 8}
[teacher]
tune = "full"
[teacher.model]
name = "convnet"
options = {widths = [16, 32], hidden = 16}
[teacher.fit]
epochs = 2
learning_rate = 0.05
[method]
name = "kd"
[augment]
crop_padding = 1
flip = "none"
[fit]
epochs = 3
"""
METHOD = '''
"""A method of one's own."""
from dataclasses import dataclass

import torch.nn.functional as F

from tutelage.methods import Method, Weight, label_cross_entropy


@dataclass(frozen=True)
class Cosine(Method):
    """CE + weight (1 - cos(z_s, z_t))."""

    weight: Weight = 1.0
    """Of the teacher's term."""

    def losses(self, student, teacher, context, adapters):
        apart = 1 - F.cosine_similarity(student.logits, teacher.logits).mean()
        return {"label": label_cross_entropy(student.logits, context), "teacher": self.weight * apart}
'''
NETWORK = """
from torch import nn


def make_net(classes):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))
"""


def test_help_and_lists_need_no_torch(tmp_path):
    code = "import sys; from tutelage.cli import main\n"
    for words in (["--help"], *(["list", kind] for kind in ("methods", "models", "datasets", "recipes"))):
        code += f"main({words!r})\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    for word in ("distill", "dkd", "resnet56", "fashion_mnist", "tutorial"):
        assert word in done.stdout


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A folder in which a small study was made."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(RECIPE)
    told("distill", "small.toml", "--seeds", "0", "1", "--force", cwd=folder)
    return folder


def test_distill_leaves_what_it_promises(studied):
    (study,) = (studied / "runs").glob("study-*")
    results = json.loads((study / "results.json").read_text())
    assert [row["method"]["name"] for row in results["rows"]] == ["baseline", "kd"]
    assert results["rows"][1]["gain"]["test"]["n"] == 2
    assert results["rows"][1]["gain"]["test"]["low"] is None, "two seeds carry no interval"
    assert "<html" in (study / "report.html").read_text()
    assert list((studied / "runs").glob("*kd*/student.onnx"))

    again = told("distill", "small.toml", "--seeds", "0", "1", "--force", cwd=studied)
    assert "kd" in again
    assert len((studied / "runs" / "test_openings.jsonl").read_text().splitlines()) == 1, "the test split opens once"
    assert "kd" in told("report", str(study), cwd=studied)


def test_one_run_and_what_can_be_asked_of_it(studied):
    first = told("train", "small.toml", "kd", "--method.temperature", "2", "--seed", "1", cwd=studied)
    run = first.splitlines()[0]
    assert f"{run} (was done already)" in told("train", f"{run}/recipe.json", cwd=studied)
    evaluated, as_json, opened, exported = told_together(
        ("evaluate", run),
        ("evaluate", run, "--json"),
        ("evaluate", run, "--open-test", "because a test asks"),
        ("export", run, "--force"),
        cwd=studied,
    )
    assert "agreement with the teacher" in evaluated
    assert "over the images)" in evaluated
    assert "val" in json.loads(as_json)
    assert "\ntest: top-1" in opened
    ledger = (studied / "runs" / "test_openings.jsonl").read_text().splitlines()
    assert json.loads(ledger[-1])["reason"] == "because a test asks"
    assert "student.onnx" in exported


def test_a_study_ends_with_the_command_that_asks_its_student(studied):
    (study,) = (studied / "runs").glob("study-*")
    (told,) = told_together(("report", f"runs/{study.name}"), cwd=studied)
    export = json.loads((study / "results.json").read_text())["export"]
    if export["onnx"]:
        assert told.endswith(f"to use it: tutelage predict runs/{export['run']}/student.onnx PICTURE\n")
    else:
        assert "to use it" not in told


def test_the_teachers_answers_from_the_command_line(studied):
    listed, verified, asked, pruned, removed, empty, filled = told_together(
        ("cache", "list"),
        ("cache", "verify"),
        ("cache", "verify", "small.toml"),
        ("cache", "prune"),
        ("cache", "prune", "--all"),
        ("cache", "list"),
        ("cache", "fill", "small.toml"),
        cwd=studied,
    )
    assert "2 views of 1,294 images" in listed
    assert "2 files are as written" in verified
    assert "rows asked again differ by" in asked
    assert pruned.startswith("nothing to remove in runs/teacher-cache: runs have read")
    assert "removed" in removed
    assert empty == "no teacher's answers in runs/teacher-cache\n"
    assert "2,588 teacher passes now" in filled


def test_methods_and_networks_of_ones_own(studied):
    (studied / "mine.py").write_text(METHOD)
    (studied / "net.py").write_text(NETWORK)
    flags = ["--student", "net.py:make_net", "--method.weight", "2", "--fit.epochs", "1"]
    assert "val top-1" in told("train", "small.toml", "mine.py:Cosine", *flags, cwd=studied)
    assert "val top-1" in told("train", "small.toml", "kd+dist", "--fit.epochs", "1", cwd=studied)


def test_train_warns_of_numbers_that_were_published_for_other_trainings(studied):
    process = command("train", "small.toml", "luminet", "--fit.epochs", "1", cwd=studied)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "warning: luminet warms up for 20 epochs and this training has 1" in err


def test_a_recipe_written_is_a_recipe_read(tmp_path):
    (tmp_path / "mine.toml").write_text(told("recipe", "digits", cwd=tmp_path))
    assert told("recipe", "mine.toml", cwd=tmp_path) == (tmp_path / "mine.toml").read_text()
    assert "alpha T^2 KL" in told("explain", "kd", cwd=tmp_path)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    (tmp_path / "small.toml").write_text(RECIPE.replace("epochs = 3", "epochs = 3000"))
    process = command("train", "small.toml", "baseline", cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("runs/*/checkpoints/step_*")), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"stopped after step \d+ of 60000; the same command goes on from there", err)
    assert "Traceback" not in err


def test_killed_five_times_it_ends_in_the_same_bits(studied, tmp_path):
    (tmp_path / "small.toml").write_text(RECIPE)
    chance = random.Random(20)
    words = ("distill", "small.toml", "--seeds", "0", "1")
    for _ in range(5):
        process = command(*words, cwd=tmp_path, start_new_session=True)
        # From the moment there is something to lose: starting takes seconds in which nothing is written.
        known = set(tmp_path.rglob("*"))
        wait_for(lambda known=known: set(tmp_path.rglob("*")) - known, process)
        try:
            process.wait(timeout=chance.uniform(0.0, 3.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    told(*words, cwd=tmp_path)
    whole = {p.parent.name: p.read_bytes() for p in studied.glob("runs/*/student.safetensors")}
    parts = {p.parent.name: p.read_bytes() for p in tmp_path.glob("runs/*/student.safetensors")}
    assert len(parts) == 5
    assert parts == {name: whole[name] for name in parts}


def test_a_line_is_logged_once_though_the_network_is_built_again(tmp_path):
    state = small.network(small.NORMED).network.state_dict()
    state["linear.weight"], state["linear.bias"] = state["linear.weight"][:7].clone(), state["linear.bias"][:7].clone()
    save_file(state, tmp_path / "seven.safetensors")
    flags = ["--teacher", "seven.safetensors", "--teacher.model.name", "resnet8", "--teacher.tune", "head"]
    short = ["--teacher.fit.epochs", "1", "--engine.threads", "1", "--runs", "runs"]
    code = f"from tutelage.cli import main; main({['check', 'digits', *flags, *short]!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("linear.weight, linear.bias start from zeros") == 1
