"""ResNet-8 above ninety: what trains MLPerf Tiny's network best, looked for on val; the test split stays shut.

Stages, in order: `speed` (launched kernel by kernel and as CUDA graphs, alone and several at once), `short` (one change
at a time, a few epochs), `middle` (the best of them, and all that helped together, for twice as long), `full` (the best
few at full length; the best one also without a teacher), `page` (docs/results/ninety.md). Every finished trial is a
line of OUT/trials.jsonl; what is there is not made again, and what was interrupted goes on where it was.

    python benchmarks/ninety.py STAGE --weights DIR [--data-root DIR] [--jobs 8] [--minutes 8] [--out DIR] [--runs DIR]

DIR of --weights holds the published cifar10_resnet20_akamaster (.safetensors). Float32; on a GPU that has it, TF32 in
convolutions, as PyTorch has it by default: each line says what was on.
"""

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from _common import RESULTS, by_sgd
from tutelage import Engine, data, files, train
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.folder import machine
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace

Change = Callable[[Recipe], Recipe]
TEACHER = "cifar10_resnet20_akamaster.safetensors"
SGD, MUON = "sgd (the recipe mlperf_tiny)", "muon"
START = {"optimizer": "muon", "learning_rate": 0.05, "weight_decay": 0.01, "schedule": "linear"}
HELPS = 0.0015
"""Mean gain on val over `MUON` from which a change is taken into the one of all that helped."""
IMAGES = 45_000
"""Of CIFAR-10's training split, without val."""
TIME_IS_OVER = 3
"""The exit code where trials of the stage are left."""
TAUGHT = {"both": (True, False), "taught": (True,), "alone": (False,)}
"""Who is trained, by the word of --who."""
BEST = {"middle": 5, "full": 3}
"""How many go on to a stage."""


def headline(weights: str, seed: int) -> Recipe:
    """The recipe mlperf_tiny as it was by SGD, taught by the published ResNet-20."""
    teacher = TeacherSpec(Model("resnet20", weights=os.path.join(weights, TEACHER)))
    return replace(by_sgd(), teacher=teacher, seed=seed)


def fit(**values: Any) -> Change:
    """Another way of training."""
    return lambda recipe: replace(recipe, fit=replace(recipe.fit, **values))


def augment(**values: Any) -> Change:
    """Other views."""
    return lambda recipe: replace(recipe, augment=replace(recipe.augment, **values))


def teaching(**values: float) -> Change:
    """Another kd."""
    return lambda recipe: replace(recipe, method=replace(KD(temperature=4.0, alpha=0.9), **values))


def published(*names: str) -> Change:
    """Taught by other published networks, several as an ensemble; their files lie beside ResNet-20's."""

    def change(recipe: Recipe) -> Recipe:
        assert recipe.teacher is not None
        weights = os.path.dirname(recipe.teacher.model.weights)
        specs = [
            TeacherSpec(Model(n, weights=os.path.join(weights, f"cifar10_{n}_akamaster.safetensors"))) for n in names
        ]
        return recipe.with_teachers(*specs)

    return change


def student(**values: Any) -> Change:
    """Another way to begin."""
    return lambda recipe: replace(recipe, student=replace(recipe.student, **values))


CHANGES: dict[str, dict[str, Change]] = {
    "rate": {"rate 0.02": fit(learning_rate=0.02), "rate 0.1": fit(learning_rate=0.1)},
    "decay": {
        "no decay": fit(weight_decay=0.0),
        "decay 0.003": fit(weight_decay=0.003),
        "decay 0.03": fit(weight_decay=0.03),
    },
    "companion": {"companion 0.03": fit(companion=0.03), "companion 0.3": fit(companion=0.3)},
    "momentum": {"momentum 0.8": fit(momentum=0.8), "momentum 0.95": fit(momentum=0.95)},
    "batch": {"batch 64": fit(batch_size=64), "batch 256": fit(batch_size=256)},
    "schedule": {"cosine": fit(schedule="cosine"), "no warm-up": fit(warm_up=0.0)},
    "flip": {"alternating flips": augment(flip="alternate")},
    "crop": {"crops from a border of 2 pixels": augment(crop_padding=2)},
    "init": {"whitened": student(init="whiten")},
    "average": {"average of the last fifth": fit(average=0.2), "average of the last half": fit(average=0.5)},
    "mix": {
        "mixup": augment(mix="mixup"),
        "mixup, alpha 0.2": augment(mix="mixup", mix_alpha=0.2),
        "CutMix": augment(mix="cutmix"),
    },
    "T": {
        "T = 2": teaching(temperature=2.0),
        "T = 8": teaching(temperature=8.0),
        "T = 16": teaching(temperature=16.0),
        "alpha = 0.7": teaching(alpha=0.7),
        "alpha = 1": teaching(alpha=1.0),
    },
    "teacher": {
        "ResNet-56": published("resnet56"),
        "ResNet-20 and 56": published("resnet20", "resnet56"),
        "ResNet-20, 32, 44 and 56": published("resnet20", "resnet32", "resnet44", "resnet56"),
    },
}
"""By what they change: of one kind, at most one is taken."""


@dataclass(frozen=True)
class Trial:
    """One run and what is said of it."""

    stage: str
    name: str
    recipe: Recipe

    @property
    def key(self) -> str:
        """Of its line."""
        return self.recipe.name


def alone(recipe: Recipe) -> Recipe:
    """The same without a teacher."""
    return recipe.as_baseline


def together(names: Iterable[str]) -> Change:
    """Muon with several changes, in the order of `CHANGES`."""
    changes = [change for kind in CHANGES.values() for name, change in kind.items() if name in set(names)]

    def change(recipe: Recipe) -> Recipe:
        recipe = fit(**START)(recipe)
        for one in changes:
            recipe = one(recipe)
        return recipe

    return change


def candidates(lines: list[dict[str, Any]], only: Iterable[str] = ()) -> dict[str, Change]:
    """All that can be tried by what is said of it: one change, all that helped together, and what `only` adds up."""
    muon = fit(**START)
    found: dict[str, Change] = {SGD: lambda recipe: recipe, MUON: muon}
    for kind in CHANGES.values():
        for name, change in kind.items():
            found[name] = lambda recipe, change=change: change(muon(recipe))
    means = mean_val(line for line in lines if line["stage"] == "short" and line["taught"])
    better: list[str] = []
    for kind in CHANGES.values():
        best = max(kind, key=lambda name: means.get(name, 0.0))
        if means.get(best, 0.0) > means.get(MUON, 1.0) + HELPS:
            better.append(best)
    if len(better) > 1:
        found[" + ".join(better)] = together(better)
    found |= {name: together(name.split(" + ")) for name in only if " + " in name}
    return found


def trials(stage: str, chosen: argparse.Namespace, lines: list[dict[str, Any]]) -> list[Trial]:
    """What a stage makes, seed by seed, so that whatever was reached can be compared."""
    epochs, views = {
        "short": (chosen.short, 8),
        "middle": (2 * chosen.short, chosen.views),
        "full": (chosen.epochs, chosen.views),
    }[stage]
    known = candidates(lines, chosen.only)
    names = chosen.only or names_of(stage, known, lines)
    made: list[Trial] = []
    for seed in range(chosen.seeds or {"short": 2, "middle": 2, "full": 3}[stage]):
        base = headline(chosen.weights, seed)
        base = replace(base, method=KD(temperature=4.0, alpha=0.9), fit=replace(base.fit, epochs=epochs), views=views)
        base = replace(base, data=replace(base.data, part=chosen.part))
        of_seed = [Trial(stage, name, known[name](base)) for name in names]
        without = [SGD, MUON] if stage == "short" else names[:1]
        of_seed += [Trial(stage, name, alone(known[name](base))) for name in without if name in names]
        made += [trial for trial in of_seed if (trial.recipe.taught_by != ()) in TAUGHT[chosen.who]]
    return made


def names_of(stage: str, known: dict[str, Change], lines: list[dict[str, Any]]) -> list[str]:
    """Who takes part: everybody in `short`; then the best of the stage before, all that helped, and the two starts.

    The best is the first.
    """
    if stage == "short":
        return list(known)
    before = {"middle": "short", "full": "middle"}[stage]
    means = mean_val(line for line in lines if line["stage"] == before and line["taught"])
    ranked = sorted((name for name in means if name in known), key=lambda name: -means[name])
    if not ranked:
        raise SystemExit(f"no trial of the stage {before} is in trials.jsonl: make it first, or name some with --only")
    best = ranked[: BEST[stage]]
    if stage == "middle":
        best += [name for name in (*[n for n in known if " + " in n], MUON, SGD) if name not in best]
    return best


def mean_val(lines: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Mean val top-1 by name."""
    values: dict[str, list[float]] = {}
    for line in lines:
        values.setdefault(line["name"], []).append(line["val"])
    return {name: statistics.mean(vals) for name, vals in values.items()}


def make(
    trial: Trial, engine: Engine, runs: Path, data_root: Path | None, until: float, searched: bool
) -> dict[str, Any] | None:
    """Trains one to its end and says what came of it; None where the time was over first. In a process of its own."""
    import torch

    torch.backends.cudnn.benchmark = searched
    left = until - time.time()
    if left <= 0:
        return None
    # What Ctrl-C does: the state is saved, and the same command goes on from there.
    alarm = threading.Timer(left, os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    try:
        run = train(trial.recipe, Workspace(runs, data_root, engine))
    except KeyboardInterrupt:
        return None
    except Exception as error:  # one trial that fails does not end the others; its line says why
        return {"stage": trial.stage, "name": trial.name, "run": trial.key, "error": repr(error)}
    finally:
        alarm.cancel()
    curve, cost = run.curve("val", "top1"), run.result("cost")
    cuda = torch.cuda.is_available() and engine.device != "cpu"
    return {
        "stage": trial.stage,
        "name": trial.name,
        "taught": bool(trial.recipe.taught_by),
        "seed": trial.recipe.seed,
        "epochs": trial.recipe.fit.epochs,
        "views": trial.recipe.views,
        "val": round(curve[-1][1], 6),
        "curve": [round(value, 4) for _, value in curve],
        "seconds": cost["seconds"],
        "images_per_second": cost["images_per_second"],
        "device": torch.cuda.get_device_name() if cuda else machine()["processor"],
        "images": trial.recipe.data.part or IMAGES,
        "precision": run.result("environment")["engine"]["precision"],
        "tf32": cuda and torch.backends.cudnn.allow_tf32,
        "searched": torch.backends.cudnn.benchmark,
        "run": trial.key,
        "recipe": files.digest(trial.recipe.identity),
    }


def pay(recipe: Recipe, spec: TeacherSpec, runs: Path, data_root: Path | None, process: Any) -> None:
    """One process's part of a teacher's answers, before several runs want them. In a process of its own."""
    from tutelage.teacher import lessons
    from tutelage.teacher.members import load_member

    dataset, workspace = data.load(recipe.data, data_root), Workspace(runs, data_root)
    member = load_member(recipe, spec, dataset, workspace)
    images, network = dataset.train.to(process.device), member.network.to(process.device)
    cache = lessons.open_cache(recipe, member, dataset, workspace)
    cache.fill(network, images, recipe.augment, range(recipe.views), process=process)


def search(todo: list[Trial], chosen: argparse.Namespace, log: Path) -> int:
    """Makes what is not in the log, several at once, until the time is over; how many are left."""
    done = {line["run"] for line in files.read_lines(log) if "val" in line}
    todo = [trial for trial in todo if trial.key not in done]
    if not todo:
        return 0
    until = chosen.begun + 60 * chosen.minutes
    device = "cpu" if chosen.engine.device == "cpu" else "cuda"
    at_once = min(chosen.jobs, max(len(todo), 1))
    with ProcessPoolExecutor(at_once, mp_context=multiprocessing.get_context("spawn")) as pool:
        questions = {
            (str(t.recipe.augment), t.recipe.views, str(s)): (t.recipe, s) for t in todo for s in t.recipe.taught_by
        }
        parts = [Process(device, rank, chosen.parts) for rank in range(chosen.parts)]
        for paid in [
            pool.submit(pay, recipe, spec, chosen.runs, chosen.data_root, part)
            for recipe, spec in questions.values()
            for part in parts
        ]:
            paid.result()
        print(f"{time.time() - chosen.begun:.0f} s: the teacher is paid; {len(todo)} trials to make", flush=True)
        rest = (chosen.engine, chosen.runs, chosen.data_root, until, chosen.searched)
        jobs = [pool.submit(make, trial, *rest) for trial in todo]
        for job in as_completed(jobs):
            line = job.result()
            if line is None:
                continue
            files.append_line(log, line)
            outcome = line.get("error") or f"{100 * line['val']:.2f} % in {line['seconds']:.0f} s"
            print(f"{time.time() - chosen.begun:.0f} s: {line['name']}: {outcome}", flush=True)
    left = len(todo) - len({line["run"] for line in files.read_lines(log)} & {trial.key for trial in todo})
    print(f"{left} of {len(todo)} trials are left" if left else "the stage is whole", flush=True)
    return left


def speed(chosen: argparse.Namespace, log: Path) -> None:
    """Five epochs, launched one by one and as graphs, alone and `--jobs` at once; the first steps are slower."""
    base = headline(chosen.weights, 0)
    base = replace(base, data=replace(base.data, part=chosen.part), fit=replace(base.fit, epochs=5), views=5)
    modes = {"launched": replace(chosen.engine, graphs=False), "graphs": chosen.engine}
    for name, engine in modes.items():
        for at_once in sorted({1, chosen.jobs}):
            marked = argparse.Namespace(**vars(chosen) | {"engine": engine, "jobs": at_once})
            marked.runs = chosen.runs / f"speed-{name}-{at_once}"
            todo = [
                Trial("speed", f"{name}, {at_once} at once", fit(**START)(replace(base, seed=s)))
                for s in range(at_once)
            ]
            search(todo, marked, log.with_name(f"speed-{name}-{at_once}.jsonl"))
            lines = files.read_lines(log.with_name(f"speed-{name}-{at_once}.jsonl"))
            rates = [line.get("images_per_second", 0) for line in lines]
            print(f"{name}, {at_once} at once: {sum(rates):,.0f} images/s together", flush=True)


def rows(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished trials by stage, teacher and name, the best first: val top-1 of each seed, in percent."""
    keys = ("stage", "taught", "name", "epochs", "views")
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        if "val" in line:
            found.setdefault(tuple(line[key] for key in keys), []).append(line)
    table_rows = [
        dict(zip(keys, of_row, strict=True))
        | {"val": [round(100 * line["val"], 2) for line in sorted(finished, key=lambda line: line["seed"])]}
        for of_row, finished in found.items()
    ]
    return sorted(table_rows, key=lambda row: (row["stage"], not row["taught"], -statistics.mean(row["val"])))


def lengths(result: dict[str, Any]) -> dict[int, float]:
    """Mean val top-1 of the taught students of `full` on all images, by their epochs, whatever machine trained them."""
    found: dict[int, list[float]] = {}
    for made in result["made"]:
        for row in made["rows"]:
            if made["images"] == IMAGES and row["stage"] == "full" and row["taught"]:
                found.setdefault(row["epochs"], []).extend(row["val"])
    return {epochs: statistics.mean(found[epochs]) for epochs in sorted(found)}


def extrapolated(measured: dict[int, float]) -> str:
    """A sentence on longer training: errors that fall as a power of the epochs towards a rest that stays.

    Three numbers are fitted, so at least four lengths are needed; "" where there are fewer.
    """
    if len(measured) < 4:
        return ""
    import numpy as np
    from scipy.optimize import curve_fit

    def accuracy(epochs: Any, rest: float, size: float, power: float) -> Any:
        return 100 - rest - size * epochs**-power

    numbers, _ = curve_fit(
        accuracy, np.array([*measured], float), np.array([*measured.values()]), p0=(8.0, 20.0, 1.0), maxfev=100_000
    )
    rest, size, power = numbers
    longest = max(measured)
    now, then = (accuracy(float(epochs), *numbers) for epochs in (longest, 2 * longest))
    return (
        f"The error that {rest:.1f} + {size:.1f} / epochs^{power:.2f} describes (least squares, {len(measured)} "
        f"lengths) puts {2 * longest} epochs at {then:.1f} % on val, {then - now:+.1f} points over {longest}, and "
        f"endless training at {100 - rest:.1f} %.\n"
    )


def table(found: list[dict[str, Any]]) -> str:
    """Val top-1 in percent, row by row, with the spread over seeds where there are several."""
    text = [
        "| stage | epochs, views | teacher | tried | n | val, mean | of each seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        val = row["val"]
        spread = f" +- {statistics.stdev(val):.2f}" if len(val) > 1 else ""
        cells = [row["stage"], f"{row['epochs']}, {row['views']}", "yes" if row["taught"] else "no", row["name"]]
        cells += [str(len(val)), f"{statistics.mean(val):.2f}{spread}", " ".join(f"{one:.2f}" for one in val)]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def page(result: dict[str, Any]) -> str:
    """docs/results/ninety.md, and what docs/results/ninety_notes.md says to it."""
    notes = RESULTS / "ninety_notes.md"
    parts = [
        "# What was tried to train MLPerf Tiny's ResNet-8 above ninety\n",
        "`python benchmarks/ninety.py`: top-1 in percent on the 5,000 images of val after the last epoch, the test "
        "split was not opened. Names are changes to `muon`: rate 0.05, decay 0.01, linear to zero, batch 128; kd from "
        "ResNet-20, T = 4, alpha = 0.9. +- is the standard deviation over seeds.\n",
    ]
    for made in result["made"]:
        runs = sum(len(row["val"]) for row in made["rows"])
        settings = f"{made['precision']}{', TF32 in convolutions' if made['tf32'] else ''}"
        parts.append(f"## {made['images']:,} images to learn from\n\n{runs} runs, {made['device']}, {settings}.\n")
        parts.append(table(made["rows"]))
    if sentence := extrapolated(measured := lengths(result)):
        parts.append("## What length brings\n\nThe taught student of `full`, a training of its own for each length.\n")
        parts.append("| epochs | val, mean |\n|---|---|")
        parts[-1] += "".join(f"\n| {epochs} | {val:.2f} |" for epochs, val in measured.items()) + "\n"
        parts.append(sentence)
    return "\n".join(parts) + ("\n" + notes.read_text() if notes.exists() else "")


def publish(lines: list[dict[str, Any]]) -> None:
    """Writes docs/results/ninety.json and ninety.md; of other machines and numbers of images what was there stays."""
    file = RESULTS / "ninety.json"
    made = {(part["device"], part["images"]): part for part in json.loads(file.read_text())["made"]}
    of_each: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in lines:
        if "val" in line:
            of_each.setdefault((line["device"], line["images"]), []).append(line)
    for key, trials_of in of_each.items():
        made[key] = {name: trials_of[0][name] for name in ("device", "images", "precision", "tf32")} | {
            "rows": rows(trials_of)
        }
    result = {"made": sorted(made.values(), key=lambda part: -part["images"])}
    file.write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "ninety.md").write_text(page(result))


def main() -> None:
    """Makes a stage, as far as the time allows, and writes OUT/trials.jsonl and OUT/trials.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["speed", "short", "middle", "full", "page"])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--out", type=Path, default=Path("ninety"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--jobs", type=int, default=1, help="trials at once")
    parser.add_argument("--minutes", type=float, default=1e6, help="no step is made after so many")
    parser.add_argument("--seeds", type=int, default=0, help="0: two, at full length three")
    parser.add_argument("--short", type=int, default=12, help="epochs of the stage short; middle has twice as many")
    parser.add_argument("--epochs", type=int, default=200, help="of the stage full")
    parser.add_argument("--views", type=int, default=16, help="of the stage full")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        help="names of the trials to make, or several changes as A + B; the first also alone",
    )
    parser.add_argument("--who", default="both", choices=TAUGHT, help="with a teacher, without, or both")
    parser.add_argument("--parts", type=int, default=1, help="processes that share a teacher's answers")
    parser.add_argument("--searched", action="store_true", help="cuDNN looks for its fastest kernels")
    parser.add_argument("--part", type=int, default=0, help="of the training images; 0: all")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--launched", action="store_true", help="no CUDA graphs")
    chosen = parser.parse_args()
    chosen.begun = time.time()
    import torch

    gpu = torch.cuda.is_available() and chosen.device != "cpu"
    chosen.engine = Engine(device="cuda" if gpu else "cpu", threads=1, graphs=gpu and not chosen.launched)
    log = chosen.out / "trials.jsonl"
    chosen.out.mkdir(parents=True, exist_ok=True)
    files.write_json(chosen.out / f"{chosen.stage}.json", {"engine": asdict(chosen.engine), "torch": torch.__version__})
    left = 0
    if chosen.stage == "speed":
        speed(chosen, log)
    elif chosen.stage == "page":
        publish(files.read_lines(log))
    else:
        lines = [line for line in files.read_lines(log) if "val" in line]
        left = search(trials(chosen.stage, chosen, lines), chosen, log)
    (chosen.out / "trials.md").write_text(table(rows(files.read_lines(log))))
    print((chosen.out / "trials.md").read_text())
    if left:
        raise SystemExit(TIME_IS_OVER)


if __name__ == "__main__":
    main()
