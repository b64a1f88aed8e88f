"""Many runs: how studies scale over jobs, what a killed process costs, what a thousand finished runs take to look at.

    python benchmarks/machines.py finished [--runs 1000]          cache list, compare and report of so many
    python benchmarks/machines.py wide [--runs 200]               compare where every run has 50,000 x 1,000 logits
    python benchmarks/machines.py scaling [--rounds 3]            a study of 20 runs by one and by two jobs, in turn
    python benchmarks/machines.py fill                            four processes fill, one of them is killed
    python benchmarks/machines.py ray [--kill]                    the study on a Ray cluster of two nodes
    python benchmarks/machines.py page                            docs/results/machines.md

Each writes its part of docs/results/machines.json.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from _common import RESULTS, write
from tutelage import data
from tutelage.data.splits import DataSet
from tutelage.measure.classifier import measure
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.run.builtin import built_in
from tutelage.run.folder import Run, environment
from tutelage.run.recipe import TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.training.predictions import keep_val

COMMAND = [sys.executable, "-m", "tutelage.cli"]


def write_part(name: str, part: dict[str, Any]) -> None:
    """Writes one part of docs/results/machines.json, and leaves the others."""
    path = RESULTS / "machines.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    parts = {key: value for key, value in before.items() if key not in ("machine", "date")}
    print(json.dumps(part, indent=2))
    write("machines", parts | {name: part | {"date": time.strftime("%Y-%m-%d")}})


# --- a thousand finished runs


def finished(runs: Path, count: int) -> list[Path]:
    """The folders of so many finished runs of the digits, with everything that a run leaves, written without training.

    A baseline, kd and dkd at two temperatures on the same seeds; val is answered at random.
    """
    taught = dataclasses.replace(built_in("digits"), teacher=TeacherSpec(live=False))
    rows = (taught.as_baseline, *(dataclasses.replace(taught, method=m) for m in (KD(), KD(2.0), DKD(), DKD(2.0))))
    dataset = data.load(taught.data)
    made, where = [], environment(Workspace(runs).engine)
    for seed in range(count // len(rows)):
        for number, row in enumerate(rows):
            made.append(
                _finish(Run.of(dataclasses.replace(row, seed=seed), runs), dataset, seed * len(rows) + number, where)
            )
    return made


def _finish(run: Run, dataset: DataSet, number: int, where: dict[str, Any]) -> Path:
    labels = dataset.val.labels
    logits = torch.randn(len(labels), 10, generator=torch.Generator().manual_seed(number))
    logits[torch.arange(len(labels)), labels] += 3
    epochs = run.recipe.fit.epochs
    for epoch in range(1, epochs + 1):
        for name in ("loss", "label", "teacher"):
            run.log(10 * epoch, "train", {name: 1 / epoch})
        run.log(10 * epoch, "val", {"top1": 0.5, "nll": 1.0, "ece": 0.1})
    run.keep("environment", where)
    run.keep("card", {"parameters": 75_002, "macs": 747_136})
    run.keep("cost", {"seconds": 1.0, "images_per_second": 1e3, "teacher_passes_paid": 0, "teacher_passes_saved": 0,
                      "best_val": {"top1": 0.5, "epoch": 1}})  # fmt: skip
    keep_val(run, logits, labels)
    run.keep("evaluation", {"teacher": None, "val": measure(logits, labels)})
    run.finish(10 * epochs)
    return run.path


def taken(words: list[str], cwd: Path) -> dict[str, Any]:
    """Seconds on the clock and of the processor, and the most memory, of a command in a process of its own."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([*COMMAND, *words], cwd=cwd, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0)
        said = out.read().decode()
    assert status == 0, said
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1e3),
    }
