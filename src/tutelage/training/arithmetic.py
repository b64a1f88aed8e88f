"""Decides how a processor computes a run, float32 or bfloat16 and on how many threads: measured once, then kept.

Both change the bits of a run, so nothing that is compared may differ in them. The first run of a student, its data and
its budget measures; every run that is paired with it (other methods, other seeds) finds the choice beside the runs, and
a run that was stopped goes on as it began.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage import data, files, sealed
from tutelage.edge import processor
from tutelage.errors import Damaged
from tutelage.methods.baseline import Baseline
from tutelage.models.tune import set_trained
from tutelage.run import optim
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.network import build_for
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.teacher.answer import NoTeacher
from tutelage.teacher.lessons import embeddings_will_do
from tutelage.training.distiller import Distiller
from tutelage.training.step import Step
from tutelage.training.ways import WORDS, Measurement, Timed, Way, choose, in_words

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""The time after which no further step is timed of one way to compute."""
TORCHS_OWN = torch.get_num_threads()
"""The threads that torch uses by itself."""
StepsTaken = Callable[..., Iterator[tuple[int, dict[str, Tensor]]]]
"""`loop.steps_taken`."""
PAIRED = ("data", "student", "augment", "fit", "tune", "views")
"""What runs that are compared have in common, of a recipe's fields."""


def decided(recipe: Recipe, run: Run, workspace: Workspace, steps_taken: StepsTaken) -> Engine:
    """The workspace's engine with a precision and a number of threads in place of "auto" and 0.

    Args:
        recipe: Of the run that is going to be trained.
        run: Its folder; what it began with is kept.
        workspace: Beside whose runs the choice is kept; what its engine says is not changed.
        steps_taken: The loop, some of whose steps are timed.
    """
    engine = workspace.engine
    if engine.fabric().device.type != "cpu" or engine.processes > 1 or engine.compile or embeddings_will_do(recipe):
        return replace(engine, precision=_given(engine) or "fp32")
    wanted = Way(engine.precision, engine.threads)
    if wanted.precision == "fp32" and wanted.threads:
        return engine
    way = _began(run) or _kept(recipe, wanted, workspace, steps_taken)
    threads = engine.threads or min(way.threads, os.cpu_count() or 1)
    return replace(engine, precision=_given(engine) or way.precision, threads=threads)


def _given(engine: Engine) -> Any:
    return None if engine.precision == "auto" else engine.precision


def _began(run: Run) -> Way | None:
    """What a run was computed with before it was stopped; None: it has not begun, or a GPU began it."""
    with suppress(Damaged):  # told where it is written again
        return _of(run.result("environment") or {})
    return None


def _of(environment: dict[str, Any]) -> Way | None:
    precision = environment.get("engine", {}).get("precision")
    threads = environment.get("machine", {}).get("threads")
    if environment.get("device") != "cpu" or precision not in WORDS or not threads:
        return None
    return Way(precision, threads)


def _kept(recipe: Recipe, wanted: Way, workspace: Workspace, steps_taken: StepsTaken) -> Way:
    """The choice for all runs that are compared with this one: found, or measured now."""
    alone = replace(recipe.as_baseline, seed=0)
    here = {"processor": processor.name(), "torch": torch.__version__, "threads": TORCHS_OWN}
    key = files.digest({"recipe": alone.identity, "asked": wanted, **here})[:16]
    path, what = workspace.runs / "arithmetic" / f"{key}.json", f"arithmetic-{key}/choice"
    with files.locked(path.with_suffix(".lock"), wait=True):
        if path.exists():
            try:
                found = sealed.read_json(path, what)
                return Way(found["precision"], found["threads"])
            except Damaged as damaged:
                log.warning("%s; it is decided again", damaged.message)
        way = next(_of_paired_runs(alone, workspace.runs), None)
        measured: list[Timed] = []
        if way is None:
            steps = Plan.of(alone, len(data.load(alone.data, workspace.data_root).train)).steps
            way, measured = choose(wanted, TORCHS_OWN, _measurement(alone, workspace, steps_taken), steps)
        timed = [{"precision": m.way.precision, "threads": m.way.threads, "ms": round(m.ms, 3)} for m in measured]
        sealed.write_json(path, way._asdict() | {"measured": timed, "student": recipe.student.name, "on": here}, what)
    if len(measured) > 1:
        log.info("%s", in_words(wanted, recipe.student.name, way, measured))
    return way


def _of_paired_runs(alone: Recipe, runs: Path) -> Iterator[Way]:
    """What finished or begun runs of the same student, images and budget were computed with on this processor."""
    wanted = alone.to_dict()
    for file in sorted(runs.glob("*/environment.json")):
        with suppress(Damaged, OSError):
            recipe = sealed.read_json(file.with_name("recipe.json"))
            same = all(recipe.get(name) == wanted[name] for name in PAIRED)
            environment = sealed.read_json(file) if same else {}
            way = _of(environment)
            if way is not None and environment["machine"].get("processor") == processor.name():
                yield way


def _measurement(alone: Recipe, workspace: Workspace, steps_taken: StepsTaken) -> Measurement:
    """Takes the first steps of a run without a teacher, with a student that nobody keeps."""
    dataset = data.load(alone.data, workspace.data_root)
    plan = Plan.of(alone, len(dataset.train))

    def measure(way: Way, steps: int) -> Timed:
        fabric = replace(workspace.engine, precision=way.precision, threads=way.threads).fabric()
        student = build_for(alone.student, dataset, alone.seed, learns=True)
        set_trained(student, alone.tune)
        distiller = Distiller(student, Baseline(), nn.Identity()).to(memory_format=torch.channels_last)
        module, optimizer = fabric.setup(distiller, optim.optimizer(alone.fit, distiller))
        take_step = Step(fabric, alone, plan, dataset.train.labels, NoTeacher(), module, optimizer, workers=0)
        losses: list[float] = []
        seconds, of_processor = [time.perf_counter()], [time.process_time()]
        for _, terms in steps_taken(take_step, dataset.train, 0, f"timing {alone.student.name}"):
            losses.append(sum(term.item() for term in terms.values()))
            seconds.append(time.perf_counter())
            of_processor.append(time.process_time())
            if len(losses) > steps or (len(losses) > 1 and seconds[-1] - seconds[0] > PATIENCE_S):
                break
        # The first step takes memory and chooses kernels.
        first = min(1, len(losses) - 1)
        ms, cpu_ms = (1e3 * (times[-1] - times[first]) / (len(losses) - first) for times in (seconds, of_processor))
        return Timed(way, ms, cpu_ms, tuple(losses))

    def restoring(way: Way, steps: int) -> Timed:
        before = torch.get_num_threads()
        try:
            return measure(way, steps)
        finally:
            torch.set_num_threads(before)

    return restoring
