"""Many runs: how studies scale over jobs, what a killed process costs, what a thousand finished runs take to look at.

    python benchmarks/machines.py finished [--runs 1000]          cache list, compare and report of so many
    python benchmarks/machines.py wide [--runs 200]               compare where every run has 50,000 x 1,000 logits
    python benchmarks/machines.py scaling [--rounds 3]            a study of 20 runs by one and by two jobs, in turn
    python benchmarks/machines.py serial [--rounds 3]             the command of a study with --jobs 1 and 2, in turn
    python benchmarks/machines.py fill                            four processes fill, one of them is killed
    python benchmarks/machines.py ray [--kill]                    the study on a Ray cluster of two nodes
    python benchmarks/machines.py page                            docs/results/machines.md

Each writes its part of docs/results/machines.json.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from _common import RESULTS, write
from ray_cluster import Cluster, two_nodes
from tutelage import data, sealed
from tutelage.data.splits import DataSet
from tutelage.measure.classifier import measure
from tutelage.methods.dkd import DKD
from tutelage.methods.kd import KD
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.run.builtin import built_in
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, environment
from tutelage.run.optim import Fit
from tutelage.run.recipe import TeacherSpec
from tutelage.run.record import keep, kept
from tutelage.run.workspace import Workspace
from tutelage.study import processes
from tutelage.study.jobs import Jobs
from tutelage.study.study import Study
from tutelage.study.task import Task
from tutelage.study.watch import Watch
from tutelage.study.work import steps_made, train_all, train_in_a_process
from tutelage.teacher.cache import TeacherCache
from tutelage.training.hits import VAL_FILE
from tutelage.training.predictions import keep_val

COMMAND = [sys.executable, "-m", "tutelage.cli"]


def write_part(name: str, part: dict[str, Any]) -> None:
    """Writes one part of docs/results/machines.json, and leaves the others."""
    path = RESULTS / "machines.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    parts = {key: value for key, value in before.items() if key not in ("machine", "date")}
    print(json.dumps(part, indent=2))
    write("machines", parts | {name: part | {"date": time.strftime("%Y-%m-%d")}})


def _load() -> list[float]:
    """How many processes have wanted the machine in the last 1, 5 and 15 minutes."""
    return [round(load, 1) for load in os.getloadavg()]


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


LAUNCH = """
import contextlib, ctypes, json, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what the command leaves behind is waited for here, and counted
begun = time.perf_counter()
with open("said.txt", "w") as said:
    done = subprocess.run(json.loads(sys.argv[1]), stdout=said, stderr=said)
seconds = time.perf_counter() - begun
with contextlib.suppress(ChildProcessError):
    while True:
        os.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""A small process between, since a child inherits the most memory that its parent has taken."""


def taken(words: list[str], cwd: Path) -> dict[str, Any]:
    """Seconds on the clock and of the processor, and the most memory, of a command in a process of its own."""
    launch = [sys.executable, "-S", "-c", LAUNCH, json.dumps([*COMMAND, *words])]
    done = subprocess.run(launch, cwd=cwd, capture_output=True, text=True, check=True)
    status, seconds, cpu, peak = json.loads(done.stdout)
    assert status == 0, (cwd / "said.txt").read_text()
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mb": round(peak / 1e3)}


def _middle(words: list[str], cwd: Path) -> dict[str, Any]:
    """What the middle of three takes of the processor, with the least and the most."""
    three = sorted((taken(words, cwd) for _ in range(3)), key=lambda one: one["cpu_seconds"])
    return three[1] | {"cpu_range": [three[0]["cpu_seconds"], three[2]["cpu_seconds"]]}


def looked_at(count: int) -> dict[str, Any]:
    """What `cache list`, `compare` and `report` take with so many finished runs, beside what `--help` takes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        taken(["distill", "digits", "--seeds", "0", "1", "2", "--jobs", "1", "--runs", "small"], root)
        study = next((root / "small").glob("study-*"))
        few = _middle(["report", str(study)], root)
        multiplied(study, count)
        made = finished(root / "runs", count)
        cache = TeacherCache.open(next((root / "small" / "teacher-cache").glob("v*")))
        shutil.copytree(cache.folder, root / "runs" / "teacher-cache" / cache.folder.name)
        copied = TeacherCache.open(root / "runs" / "teacher-cache" / cache.folder.name)
        for run in made:
            copied.files.used(run.name, 1000)
        commands = {
            "cache list": ["cache", "list"],
            "cache list, of a folder without runs": ["cache", "list", "--runs", "empty"],
            "compare": ["compare", *(str(run.relative_to(root)) for run in made)],
            "compare, of two runs": ["compare", *(str(run.relative_to(root)) for run in made[:2])],
            "report": ["report", str(study)],
        }
        measured = {name: _middle(words, root) for name, words in commands.items()}
        return {"runs": count, "commands": measured | {"report, of six runs": few}, "load_average": _load()}


def multiplied(study: Path, count: int) -> Path:
    """A finished study as if it had so many runs: its results name every seed many times."""
    results = kept(study, "results")
    each = count // len(results["rows"])
    for row in results["rows"]:
        row["seeds"] = [row["seeds"][seed % len(row["seeds"])] | {"seed": seed} for seed in range(each)]
    keep(study, "results", results | {"seeds": list(range(each))})
    return study


# --- runs with many classes


IMAGES, CLASSES = 50_000, 1000


def wide(count: int) -> dict[str, Any]:
    """What `compare` takes for so many runs with 50,000 x 1,000 logits each, read from files without blocks on disk."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = finished(root / "runs", count)
        small = taken(["compare", *map(str, made)], root)
        whole = hashlib.sha256()
        labels = torch.arange(IMAGES) % CLASSES
        of_labels = labels.numpy().tobytes()
        whole.update(f"labels torch.int64 {(IMAGES,)}\n".encode() + of_labels)
        whole.update(f"logits torch.float32 {(IMAGES, CLASSES)}\n".encode())
        for _ in range(CLASSES):
            whole.update(bytes(4 * IMAGES))
        for path in made:
            _hollow(Run(path), of_labels, whole.copy())
        return {"runs": count, "images": IMAGES, "classes": CLASSES, "of_small_runs": small,
                "of_wide_runs": taken(["compare", *map(str, made)], root), "load_average": _load()}  # fmt: skip


def _hollow(run: Run, labels: bytes, digest: Any) -> None:
    """Gives a run logits that are all 0: a file of the right length, whose seal fits."""
    what = run.what(VAL_FILE)
    digest.update(what.encode())
    end = len(labels) + 4 * IMAGES * CLASSES
    header = {
        "__metadata__": {sealed.SEAL: json.dumps({"of": what, "sha256": digest.hexdigest()})},
        "labels": {"dtype": "I64", "shape": [IMAGES], "data_offsets": [0, len(labels)]},
        "logits": {"dtype": "F32", "shape": [IMAGES, CLASSES], "data_offsets": [len(labels), end]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (run.path / VAL_FILE).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + labels)
        file.truncate(8 + len(text) + end)


# --- a study over jobs and nodes


def study_of(folder: Path, epochs: int, runs: int = 2) -> Study:
    """Of so many runs: resnet8 on the digits with and without the answers of a teacher of random weights."""
    spec = DataSpec(10, 1, 8, (0.5,), (0.5,))
    weights = folder / "teacher.safetensors"
    save_file(build(Model("resnet20"), spec, seed=0).network.state_dict(), weights)
    fit = Fit(epochs=epochs, batch_size=128, learning_rate=0.05)
    teacher = TeacherSpec(Model("resnet20", weights=str(weights)))
    recipe = dataclasses.replace(built_in("digits"), teacher=teacher, method=KD(), fit=fit, views=2)
    return Study((recipe,), tuple(range(runs // 2)))


def scaling(rounds: int, epochs: int, runs: int) -> dict[str, Any]:
    """The study one run after the other and two at once, in turn, every run in a process of its own on one thread.

    `clock`: how much faster two at once are, which other work on the machine distorts. `processor`: by how much the
    same runs take more of the processor beside each other, with the beginnings of their processes; `filled`: for which
    share of the time both had a run. These two together are the scaling over the cores.
    """
    measured: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        study = study_of(root, epochs, runs)
        for number in range(rounds):
            for jobs in (1, 2) if number % 2 == 0 else (2, 1):
                measured[jobs].append(_timed(study, Workspace(root / f"{jobs}-{number}", engine=ONE_THREAD), jobs))
                print(jobs, measured[jobs][-1], os.getloadavg(), flush=True)
    pairs = list(zip(measured[1], measured[2], strict=True))
    more = [two["cpu_seconds"] / one["cpu_seconds"] for one, two in pairs]
    return {
        "runs": runs,
        "rounds": rounds,
        "epochs": epochs,
        "clock": [round(one["seconds"] / two["seconds"], 3) for one, two in pairs],
        "processor": [round(m, 3) for m in more],
        "filled": [round(two["filled"], 3) for _, two in pairs],
        "of_perfect": [round(two["filled"] / m, 3) for m, (_, two) in zip(more, pairs, strict=True)],
        "load_average": _load(),
    }


ONE_THREAD = Engine(device="cpu", threads=1)


def _timed(study: Study, workspace: Workspace, jobs: int) -> dict[str, float]:
    tasks = [
        Task(run.path.name, clocked, (run.path, workspace.data_root, dataclasses.asdict(workspace.engine)))
        for run in (Run.of(recipe, workspace.runs) for recipe in study.every)
    ]
    mine, begun = time.process_time(), time.monotonic()
    spans = processes.do(tasks, lambda running: jobs)
    seconds = time.monotonic() - begun
    at_work = sum(end - start for start, end, _ in spans.values())
    cpu = sum(cpu for *_, cpu in spans.values()) + time.process_time() - mine
    return {"seconds": seconds, "cpu_seconds": cpu, "filled": at_work / (jobs * seconds)}


def clocked(path: Path, data_root: Path | None, engine: dict[str, Any]) -> tuple[float, float, float]:
    """Trains a run in a process of its own: when it began and ended, and what it took of the processor."""
    begun, before = time.monotonic(), time.process_time()
    train_in_a_process(path, data_root, engine, 0.0)
    return begun, time.monotonic(), time.process_time() - before


def serial(rounds: int, epochs: int, runs: int) -> dict[str, Any]:
    """The whole command of a study, as it is typed: its runs one after the other in one process, and in two at once."""
    measured: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        study_of(root, 1)
        words = ["distill", "digits", "kd", "--teacher", "teacher.safetensors", "--teacher.model.name", "resnet20"]
        words += ["--student", "resnet8", "--fit.epochs", str(epochs), "--seeds", *map(str, range(runs // 2))]
        for number in range(rounds):
            for jobs in (1, 2) if number % 2 == 0 else (2, 1):
                measured[jobs].append(taken([*words, "--jobs", str(jobs), "--runs", f"{jobs}-{number}"], root))
                print(jobs, measured[jobs][-1], os.getloadavg(), flush=True)
    pairs = list(zip(measured[1], measured[2], strict=True))
    return {
        "runs": runs,
        "epochs": epochs,
        "one_process": measured[1],
        "two_jobs": measured[2],
        "clock": [round(one["seconds"] / two["seconds"], 3) for one, two in pairs],
        "processor": [round(two["cpu_seconds"] / one["cpu_seconds"], 3) for one, two in pairs],
        "load_average": _load(),
    }


def on_nodes(kill: bool, epochs: int, count: int) -> dict[str, Any]:
    """The study on a Ray cluster of two nodes, one of which may be killed at a random moment; what that has cost."""
    with tempfile.TemporaryDirectory() as folder:
        root, chance = Path(folder), random.Random()
        study, workspace = study_of(root, epochs, count), Workspace(root / "runs", engine=ONE_THREAD)
        with two_nodes(dict(os.environ)) as cluster:
            os.environ["RAY_ADDRESS"] = cluster.address
            when = chance.randint(1, count * epochs - 1)
            made: dict[str, int] = {}
            timer = threading.Thread(target=_kill_at, args=(cluster, workspace.runs, when, made), daemon=True)
            begun = time.monotonic()
            if kill:
                timer.start()
            left = train_all(study.every, workspace, Watch(), Jobs(on="ray"))
            seconds = time.monotonic() - begun
        assert not left
        runs = [Run.of(recipe, workspace.runs) for recipe in study.every]
        again = {run.path.name: _begun_at(run)[1:] for run in runs}
        alone = Workspace(root / "alone", engine=ONE_THREAD)
        few = study.every[:: max(1, count // 4)]
        train_all(few, alone, Watch())
        same = sum(_bits(Run.of(one, alone.runs)) == _bits(Run.of(one, workspace.runs)) for one in few)
        return {"runs": count, "seconds": round(seconds, 1), "killed_after_epochs": when if kill else None,
                "begun_again": sum(map(len, again.values())),
                "steps_made_again": sum(made[name] - at[0] for name, at in again.items() if at and name in made),
                "steps": sum(steps_made(run.path) for run in runs),
                "same_bits": f"{same} of {len(few)} that were looked at"}  # fmt: skip


def _kill_at(cluster: Cluster, runs: Path, epochs: int, made: dict[str, int]) -> None:
    """Kills the second node once so many epochs of all runs are over; notes how far each run is."""
    while sum(file.read_text().count('"top1"') for file in runs.glob("*/metrics.jsonl")) < epochs:
        time.sleep(0.05)
    cluster.kill(1)
    made |= {file.parent.name: steps_made(file.parent) for file in runs.glob("*/metrics.jsonl")}


def _begun_at(run: Run) -> list[int]:
    """The steps at which a run was begun, by its log."""
    return [int(step) for step in re.findall(r"step (\d+) of \d+ on", (run.path / "log.txt").read_text())]


def _bits(run: Run) -> str:
    return run.result("card")["weights_sha256"]


def killed_fill() -> dict[str, Any]:
    """Four processes fill the answers to 12 views of the digits, one is killed: what all have paid."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        study_of(root, 1)
        words = ["cache", "fill", "digits", "kd", "--teacher", "teacher.safetensors"]
        words += ["--teacher.model.name", "resnet20", "--views", "40", "--fit.epochs", "40"]
        fillers = [subprocess.Popen([*COMMAND, *words], cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        while len(list(root.rglob("logits_*.npy"))) < 12:
            time.sleep(0.01)
        fillers[0].kill()
        outputs = [filler.communicate()[0] for filler in fillers]
        paid = [int(text.partition(": ")[2].partition(" ")[0].replace(",", "")) for text in outputs[1:]]
        cache = TeacherCache.open(next((root / "runs" / "teacher-cache").glob("v1-*")))
        blocks = len(list(cache.folder.glob("view_*/logits_*.npy")))
        return {"views": len(cache.files.views()), "blocks": blocks, "block": cache.samples,
                "needed": blocks * cache.samples, "paid_by_the_three_that_lived": paid, "sum": sum(paid)}  # fmt: skip


def page(parts: dict[str, Any]) -> str:
    """docs/results/machines.md."""
    machine = parts["machine"]
    lines = ["# Many runs at once", "", "Written by `python benchmarks/machines.py page` from machines.json. "
             f"{machine['processor']}, {machine['cores']} cores.", ""]  # fmt: skip
    if one := parts.get("scaling"):
        lines += [
            f"## A study of {one['runs']} runs over one and two jobs",
            "",
            "`python benchmarks/machines.py scaling`. Every run is a process of its own on one thread; one after the "
            f"other and two at once take turns. {machine['cores']} times as fast on the clock would be perfect; it can "
            "be more, since one process begins while another trains. The clock counts where nothing else runs (load "
            f"average {one['load_average'][0]:g} at the end, two of it the jobs). The other columns do not need an "
            "idle machine: by how much the same runs took more of the processor beside each other, for which share "
            "of the time both jobs had a run, and the share over the factor, in which processes that begin count as "
            "idle.",
            "",
            "| round | on the clock | processor, two jobs / one | both had a run | of perfect scaling |",
            "|---|---|---|---|---|",
            *(
                f"| {number + 1} | {clock:.2f} times as fast | {processor:.3f} | {filled:.1%} | {perfect:.3f} |"
                for number, (clock, processor, filled, perfect) in enumerate(
                    zip(one["clock"], one["processor"], one["filled"], one["of_perfect"], strict=True)
                )
            ),
            "",
        ]
    if one := parts.get("serial"):
        lines += [
            "## The same command in one process and with two jobs",
            "",
            f"`python benchmarks/machines.py serial`: `tutelage distill digits kd` with a teacher's weights and "
            f"{one['runs']} runs of {one['epochs']} epochs, from its start to its report, with `--jobs 1` (one run "
            "after the other in one process, which imports everything once) and `--jobs 2` (a process a run), in turn. "
            f"The load average at the end was {one['load_average'][0]:g} on {machine['cores']} cores: above two, "
            "the clock shows others' work too.",
            "",
            "| round | one process | two jobs | on the clock | processor, two jobs / one process |",
            "|---|---|---|---|---|",
            *(
                f"| {number + 1} | {alone['seconds']:.0f} s | {both['seconds']:.0f} s | {clock:.2f} times as fast "
                f"| {processor:.2f} |"
                for number, (alone, both, clock, processor) in enumerate(
                    zip(one["one_process"], one["two_jobs"], one["clock"], one["processor"], strict=True)
                )
            ),
            "",
        ]
    for name, title in (("ray", "On a Ray cluster of two nodes"), ("ray_killed", "The same with a node killed")):
        if one := parts.get(name):
            killed = f", the second node killed after {one['killed_after_epochs']} epochs of all runs"
            lines += [
                f"## {title}",
                "",
                f"`python benchmarks/machines.py ray{' --kill' if one['killed_after_epochs'] else ''}`. "
                f"{one['runs']} runs{killed if one['killed_after_epochs'] else ''}: {one['seconds']:g} s on the clock "
                f"(of a machine that was busy), {one['steps']:,} steps in all, {one['begun_again']} runs begun again, "
                f"{one['steps_made_again']} steps made twice. The same bits as runs trained alone: {one['same_bits']}.",
                "",
            ]
    if one := parts.get("fill"):
        lines += [
            "## Four processes fill, one is killed",
            "",
            f"`python benchmarks/machines.py fill`. {one['blocks']} blocks of {one['block']:,} answers are "
            f"{one['needed']:,}; the three that lived paid {one['sum']:,} of them "
            f"({', '.join(f'{paid:,}' for paid in one['paid_by_the_three_that_lived'])}), and the other "
            f"{(one['needed'] - one['sum']) // one['block']} blocks the fourth had finished before it was "
            "killed.",
            "",
        ]
    if one := parts.get("finished"):
        lines += [
            f"## {one['runs']:,} finished runs",
            "",
            "`python benchmarks/machines.py finished`. Whole commands, with Python's start and imports; the rows about "
            f"few runs say how much that is.{_beside(one)}",
            "",
            *_table(one["commands"]),
        ]
    if one := parts.get("wide"):
        lines += [
            f"## {one['runs']} runs with {one['images']:,} x {one['classes']:,} logits",
            "",
            f"`python benchmarks/machines.py wide`. {one['runs'] * one['images'] * one['classes'] * 4 / 1e9:.0f} GB "
            f"of logits are read and compared with their seals.{_beside(one)}",
            "",
            *_table({"compare": one["of_wide_runs"], "compare, of as many runs of the digits": one["of_small_runs"]}),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _beside(part: dict[str, Any]) -> str:
    load = part.get("load_average")
    return (
        f" Other work went on beside (load average {load[0]:g}), which takes from a processor's speed." if load else ""
    )


def _table(commands: dict[str, dict[str, Any]]) -> list[str]:
    rows = []
    for name, one in commands.items():
        low, high = one.get("cpu_range", [None, None])
        of_three = "" if low is None else f" (of three {low:g} to {high:g})"
        rows.append(f"| {name} | {one['cpu_seconds']:g} s{of_three} | {one['peak_mb']:,} MB |")
    return ["| | of the processor | most memory |", "|---|---|---|", *rows, ""]


def main() -> None:
    """Writes a part of docs/results/machines.json, or the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["finished", "wide", "scaling", "serial", "fill", "ray", "page"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--kill", action="store_true")
    chosen = parser.parse_args()
    if chosen.part == "finished":
        write_part("finished", looked_at(chosen.runs or 1000))
    elif chosen.part == "wide":
        write_part("wide", wide(chosen.runs or 200))
    elif chosen.part == "scaling":
        write_part("scaling", scaling(chosen.rounds, chosen.epochs, chosen.runs or 20))
    elif chosen.part == "serial":
        write_part("serial", serial(chosen.rounds, chosen.epochs, chosen.runs or 20))
    elif chosen.part == "fill":
        write_part("fill", killed_fill())
    elif chosen.part == "ray":
        write_part("ray_killed" if chosen.kill else "ray", on_nodes(chosen.kill, chosen.epochs, chosen.runs or 20))
    (RESULTS / "machines.md").write_text(page(json.loads((RESULTS / "machines.json").read_text())))


if __name__ == "__main__":
    main()
