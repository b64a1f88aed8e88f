"""Which method should I use? Every method on the same real images, in waves: all of them, then the best for longer.

ResNet-56 (published weights) -> resnet8 on CIFAR-10 (--part of 45,000 images to train on, 5,000 of val), in the recipe
mlperf_tiny's optimiser; the same views, order and initial weights for all methods of a seed. Every method has its
published numbers, warm-ups the same share of the training; val accuracy after the last epoch only: the test split stays
shut. What is done is not done again, here or by what the page tells of, and the same command typed several times shares
the work.

    python benchmarks/methods.py all   --teacher FILE [--device cuda]
    python benchmarks/methods.py best  --teacher FILE [--device cuda]
    python benchmarks/methods.py weights --teacher FILE
    python benchmarks/methods.py small --teacher FILE
    python benchmarks/methods.py cost  --teacher FILE
    python benchmarks/methods.py page
"""

import argparse
import json
import os
import re
import signal
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from _common import RESULTS, interleaved, write
from tutelage import data, files, train
from tutelage.data import Data
from tutelage.errors import Busy, UserError
from tutelage.measure.statistics import holm
from tutelage.methods import METHODS
from tutelage.methods.base import Method
from tutelage.methods.finding import method_at_defaults
from tutelage.models import Model
from tutelage.run.engine import Engine
from tutelage.run.folder import machine
from tutelage.run.optim import Fit
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons

TOLD = RESULTS / "methods.json"
IDEAS = Path(__file__).with_name("ideas.py")
PUBLISHED_EPOCHS = 240
CLASSES, BATCH = 10, 128
CROWDED, TEN = ("mlkd", "cat_kd", "wkd_l"), ", for 10 classes"
"""Methods whose published weights are for more classes, and what a label says where they are divided."""
ALWAYS = ("baseline", "kd", "dkd")
"""In both waves, whatever the first one says."""
BEST = 10
"""How many more the second wave has."""
IDEAS_TRIED = 2
"""How many ideas the second wave has, whatever the first one says of them."""


def named(name: str, **values: Any) -> Callable[[], Method]:
    """A method by its name in a recipe, with these numbers."""
    return lambda: replace(method_at_defaults(name), **values)


def here(name: str) -> Callable[[], Method]:
    """A method whose weights are divided by how much more they weigh here than where they were published."""

    def weighed() -> Method:
        method = method_at_defaults(name)
        times = {weight.field: weight.times(CLASSES, BATCH) for weight in method.claims.published}
        return replace(method, **{field: getattr(method, field) / heavier for field, heavier in times.items()})

    return weighed


VARIANTS: dict[str, Callable[[], Method]] = {
    "kd, T = 8": named("kd", temperature=8.0),
    "kd, width 18": named("kd"),
    "kd, standardised": named("kd", standardize=True, temperature=2.0, teacher_weight=10.0),
    "dkd, standardised": named("dkd", standardize=True, temperature=2.0, target_weight=9.0, others_weight=72.0),
    "dkd, ResNet-56 to 20": named("dkd", others_weight=2.0),
    "sdd, dkd": named("sdd", kind="dkd", label_weight=1.0, teacher_weight=1.0, warm_up=20.0),
    "sdd, nkd": named("sdd", kind="nkd", temperature=1.0, label_weight=1.0, teacher_weight=1.0),
    "kd+nd": named("kd+nd"),
    "dkd+nd": named("dkd+nd"),
    "mlkd, standardised": named("mlkd", standardize=True, instance_weight=9.0, batch_weight=4.5, class_weight=4.5),
    "cat_kd, ResNet-56 to 20": named("cat_kd", teacher_weight=0.7),
    **{name + TEN: here(name) for name in CROWDED},
    "idea: mean over views 0.5": named(f"{IDEAS}:ViewMean"),
    "idea: mean over views 1": named(f"{IDEAS}:ViewMean", share=1.0),
    "idea: views that differ count more": named(f"{IDEAS}:ViewSpread"),
    "idea: views that differ count less": named(f"{IDEAS}:ViewSpread", power=-0.5),
    "idea: beyond the teacher 0.5": named(f"{IDEAS}:OwnPast"),
    "idea: beyond the teacher 1": named(f"{IDEAS}:OwnPast", push=1.0),
    "idea: towards its own past": named(f"{IDEAS}:OwnPast", push=-0.3),
}
"""Published settings beside the default, methods made of several, and ideas (benchmarks/ideas.py)."""
LABELS: dict[str, Callable[[], Method]] = {name: named(name) for name in METHODS} | VARIANTS
STUDENTS = {"kd, width 18": Model("resnet8", options={"width": 18})}
"""Other students than resnet8 (75,290 weights): 95,068, since simkd's keeps a projector and then has 89,508."""

WAVES: dict[str, dict[str, Any]] = {
    "all": {"labels": list(LABELS), "seeds": [0], "part": 20_000, "epochs": 12, "views": 8},
    "best": {"labels": None, "seeds": [0, 1, 2, 3, 4], "part": 20_000, "epochs": 40, "views": 8},
    "longer": {"labels": None, "seeds": [1, 2, 3], "part": 20_000, "epochs": 30, "views": 8},
    "again": {"labels": None, "seeds": [1, 2, 3], "part": 20_000, "epochs": 12, "views": 8},
    "weights": {
        "labels": ["kd", "baseline", *(f"{name}{ten}" for name in CROWDED for ten in ("", TEN))],
        "seeds": [0],
        "part": 5_000,
        "epochs": 8,
        "views": 2,
    },
    "small": {
        "labels": ["kd", *(label for label in LABELS if label.startswith("idea")), "dkd", "baseline"],
        "seeds": [0, 1, 2],
        "part": 5_000,
        "epochs": 8,
        "views": 4,
    },
}
"""What is trained: all once; the best of them for longer, or with seeds that did not choose them; where nothing but a
slow processor is at hand, weights of 100 classes beside those for ten, and ideas."""


def chosen_method(label: str, epochs: int) -> Method:
    """A method whose warm-up is the published share of this training."""
    method = LABELS[label]()
    own = {field.name for field in fields(method)}
    if "warm_up" not in own:
        return method
    return replace(method, warm_up=method.warm_up * epochs / PUBLISHED_EPOCHS)


def recipe(label: str, seed: int, teacher: str, epochs: int, views: int, part: int = 0) -> Recipe:
    """The run of one method and seed."""
    method = chosen_method(label, epochs)
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return Recipe(
        data=Data("cifar10", part=part),
        student=STUDENTS.get(label, Model("resnet8")),
        teacher=TeacherSpec(Model("resnet56", weights=teacher, **imagenet)) if method.needs else None,
        method=method,
        fit=Fit(epochs, BATCH, optimizer="muon", learning_rate=0.05, weight_decay=0.01, schedule="linear"),
        views=views,
        seed=seed,
    )


def read(log: Path) -> list[dict[str, Any]]:
    """The lines of a log, and those that docs/results/methods.json keeps of other machines; every run once."""
    kept = json.loads(TOLD.read_text()).get("lines", []) if TOLD.exists() else []
    return list({line["run"]: line for line in (*kept, *files.read_lines(log))}.values())


def train_all(todo: list[tuple[str, Recipe]], wave: str, chosen: argparse.Namespace, log: Path) -> None:
    """Trains what the log does not have and nobody else is training, and adds a line for each as it is done."""
    engine = Engine(device=chosen.device, threads=1, graphs=chosen.device == "cuda")
    space = Workspace(chosen.runs, chosen.data_root, engine)
    alarm = threading.Timer(60 * chosen.minutes, os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    on = machine()
    try:
        pay([one for _, one in todo], chosen)
        for label, one in todo:
            if one.name in {line["run"] for line in read(log)}:
                continue
            try:
                run = train(one, space)
            except Busy:
                continue
            except UserError as error:  # one that diverges does not end the others
                print(f"{label}, seed {one.seed}: {error}", flush=True)
                continue
            curve, cost = run.curve("val", "top1"), run.result("cost")
            line = {"wave": wave, "method": label, "seed": one.seed, "epochs": one.fit.epochs, "part": one.data.part}
            line |= {"views": one.views, "val": round(curve[-1][1], 6), "seconds": round(cost["seconds"], 1)}
            line |= {"machine": on["gpu"] or on["processor"]}
            files.append_line(log, line | {"run": one.name})
            print(f"{wave}, {label}, seed {one.seed}: {100 * curve[-1][1]:.2f} %", flush=True)
    except KeyboardInterrupt:
        print(f"the time is over: {wave} is not whole", flush=True)
    finally:
        alarm.cancel()


def pay(recipes: list[Recipe], chosen: argparse.Namespace) -> None:
    """All that caches hold of the teacher's answers, in one pass: the methods read different parts of them."""
    taught = next((one for one in recipes if one.teacher is not None), None)
    if taught is not None:
        every = replace(taught, method=method_at_defaults("kd+srrl+sdd"))
        space = Workspace(chosen.runs, chosen.data_root)
        lessons.prepare(every, data.load(taught.data, chosen.data_root), space, Process(chosen.device))


def promising(lines: list[dict[str, Any]]) -> list[str]:
    """ALWAYS, the best ideas, and the BEST of the first wave."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if line["wave"] == "all":
            found.setdefault(line["method"], []).append(line["val"])
    ranked = sorted(found, key=lambda label: -statistics.mean(found[label]))
    ideas = [label for label in ranked if label.startswith("idea")][:IDEAS_TRIED]
    return [*ALWAYS, *ideas, *[label for label in ranked if label not in (*ALWAYS, *ideas)][:BEST]]


def compared(val: dict[str, list[float]], base: str = "kd") -> dict[str, dict[str, Any]]:
    """Of each method: mean, spread over seeds, and the paired difference to `base` with interval and Holm's p.

    Differences are judged by one residual deviation for all methods (two-way layout of methods and seeds, without
    interaction): with three seeds each method's own would decide by luck.

    Args:
        val: Top-1 in percent by method, the same seeds in the same order.
        base: Whom all others are compared with.
    """
    table = np.array(list(val.values()))
    methods, seeds = table.shape
    rows = {label: {"n": seeds, "val": [round(v, 2) for v in of]} for label, of in val.items()}
    if seeds < 2:
        return rows
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    freedom = (methods - 1) * (seeds - 1)
    error = float(np.sqrt((residual**2).sum() / freedom * 2 / seeds))
    gains = {label: float(np.mean(of) - np.mean(val[base])) for label, of in val.items() if label != base}
    p = holm([float(2 * stats.t.sf(abs(gain) / error, freedom)) for gain in gains.values()])
    half = float(stats.t.ppf(0.975, freedom)) * error
    for (label, gain), adjusted in zip(gains.items(), p, strict=True):
        rows[label] |= {"gain": round(gain, 2), "half": round(half, 2), "p": round(adjusted, 4)}
    return rows


def waves(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each wave: its settings, and `compared` over the seeds that all of its methods have."""
    found = {}
    for wave in dict.fromkeys(line["wave"] for line in lines):
        of = [line for line in lines if line["wave"] == wave]
        by_method: dict[str, dict[int, float]] = {}
        for line in of:
            by_method.setdefault(line["method"], {})[line["seed"]] = 100 * line["val"]
        most = max(map(len, by_method.values()))
        whole = {label: seeds for label, seeds in by_method.items() if len(seeds) == most}
        seeds = sorted(set.intersection(*map(set, whole.values())))
        rows = compared({label: [values[seed] for seed in seeds] for label, values in whole.items()})
        settings = {key: of[0][key] for key in ("epochs", "part", "views")} | {"seeds": seeds}
        settings |= {"machines": sorted({line["machine"] for line in of})}
        found[wave] = settings | {"rows": rows}
    return found


def costs(chosen: argparse.Namespace) -> dict[str, float]:
    """The time of a training step as a multiple of kd's, on one thread of a CPU, interleaved.

    Teachers that are asked at every step are in it; answers that a cache would read are there.
    """
    import torch

    from tutelage import rng
    from tutelage.models import DataSpec
    from tutelage.models.building import build
    from tutelage.models.tap import EVERYTHING
    from tutelage.outputs import Context
    from tutelage.run import optim
    from tutelage.teacher.answer import LiveTeacher
    from tutelage.teacher.lessons import CACHEABLE
    from tutelage.training.distiller import Distiller

    torch.set_num_threads(1)
    spec = DataSpec(10, 3, 32, (0.5,) * 3, (0.25,) * 3)
    pixels = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    network = build(Model("resnet56", weights=chosen.teacher), spec).to(memory_format=torch.channels_last)
    everything = LiveTeacher(network, EVERYTHING | {"regions", "rotations"}).answer(pixels, *(torch.arange(64),) * 2)
    context = Context(torch.arange(64) % 10, torch.arange(64), 5.0)

    def contender(label: str) -> Callable[[int], None]:
        with rng.seeded(0, "cost"):
            method = chosen_method(label, 30)
            student = build(STUDENTS.get(label, Model("resnet8")), spec)
            adapters = method.adapters(student.sizes(), network.sizes(), 45_000)
        distiller = Distiller(student, method, adapters).to(memory_format=torch.channels_last).train()
        optimizer = optim.optimizer(Fit(optimizer="muon"), distiller)
        live = None if method.needs <= CACHEABLE else LiveTeacher(network, method.needs)

        def step(number: int) -> None:
            told = everything if live is None else live.answer(pixels, context.sample, context.sample)
            terms = distiller(pixels, told, context._replace(epoch=number / 100))
            optimizer.zero_grad()
            sum(terms.values()).backward()
            optimizer.step()

        return step

    labels = [label for label in LABELS if not label.startswith("idea")]
    seconds = interleaved({label: contender(label) for label in labels}, rounds=chosen.rounds)
    return {
        label: round(statistics.median(a / b for a, b in zip(of, seconds["kd"], strict=True)), 2)
        for label, of in seconds.items()
    }


def mean_of(row: dict[str, Any]) -> float:
    """Of a row of a wave, in percent."""
    return row["mean"] if "mean" in row else statistics.mean(row["val"])


def table(wave: dict[str, Any], cost: dict[str, float]) -> str:
    """Methods by their val top-1, the best first; comparisons where there are seeds to judge them by."""
    found = wave["rows"]
    judged, steps = any("gain" in row for row in found.values()), any(label in cost for label in found)
    heads = ["method", "val top-1", *(["against kd", "p (Holm)"] if judged else [])]
    heads += [*(["a step costs"] if steps else []), "n"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for label in sorted(found, key=lambda label: -mean_of(found[label])):
        row = found[label]
        deviation = row.get("spread") or (statistics.stdev(row["val"]) if len(row.get("val", ())) > 1 else None)
        cells = [label, f"{mean_of(row):.2f}{'' if deviation is None else f' +- {deviation:.2f}'} %"]
        if judged:
            cells.append(f"{row['gain']:+.2f} +- {row['half']:.2f}" if "gain" in row else "")
            cells.append("" if "p" not in row else "< 0.001" if row["p"] < 0.001 else f"{row['p']:.3f}")
        if steps:
            cells.append(f"{cost[label]:.2f} x kd's" if label in cost else "")
        lines.append(f"| {' | '.join([*cells, str(row['n'])])} |")
    return "\n".join(lines) + "\n"


def settings(wave: dict[str, Any]) -> str:
    """In words."""
    images = f"{wave['part'] or 45_000:,} images"
    seeds = f"{'seeds' if len(wave['seeds']) > 1 else 'seed'} {', '.join(map(str, wave['seeds']))}"
    also = "; ".join([*wave["machines"], *([wave["also"]] if "also" in wave else [])])
    return f"{images}, {wave['epochs']} epochs, {wave['views']} views, {seeds} ({also})"


TITLES = {
    "best": "Trained for longer, on a GPU",
    "longer": "Trained for longer, with other seeds than the one that chose them",
    "again": "The most promising once more, with other seeds than the one that chose them",
    "all": "All methods, once",
    "weights": "Weights that were published for 100 classes, and the same for ten, trained shortly",
    "small": "Few images, trained shortly",
    "short": "The first 32 methods, trained shortly",
}


def page(result: dict[str, Any]) -> str:
    """docs/results/methods.md."""
    parts = [
        "# Every method at its published defaults, the same images and budget",
        "",
        "`python benchmarks/methods.py`: ResNet-56 (published) -> resnet8 on CIFAR-10, float32; top-1 on the 5,000 "
        "images of val after the last epoch, the test split was not opened. Batch 128, Muon at the rate of the recipe "
        "mlperf_tiny, linear to zero. +- beside a mean is the standard deviation over seeds, beside a difference half "
        "the 95 % interval of paired seeds, from one residual deviation for all methods of the table; p is corrected "
        "for their number (Holm). A step's cost is forward, backward and update on one thread of a processor, batch "
        "64, with the teacher's part where a method asks it at every step.",
        "",
    ]
    for name in (name for name in TITLES if name in result["waves"]):
        wave = result["waves"][name]
        parts += [f"## {TITLES[name]}", "", f"{settings(wave)}.", "", table(wave, result["cost"])]
    notes = RESULTS / "methods_notes.md"
    return "\n".join(parts) + ("\n" + notes.read_text() if notes.exists() else "")


GUIDE = RESULTS.parent / "guides" / "which-method.md"
PLACE = re.compile(r"(?s)<!-- measured (?P<name>[a-z]+) -->\n.*?<!-- end -->\n")


def guide(text: str, result: dict[str, Any]) -> str:
    """docs/guides/which-method.md with its tables filled in."""

    def filled(place: re.Match[str]) -> str:
        wave = result["waves"][place["name"]]
        body = f"{settings(wave)}:\n\n{table(wave, result['cost'])}"
        return f"<!-- measured {place['name']} -->\n{body}<!-- end -->\n"

    return PLACE.sub(filled, text)


def publish(chosen: argparse.Namespace, log: Path) -> None:
    """Writes docs/results/methods.json and methods.md from the log and the costs, and the guide's tables."""
    before = json.loads(TOLD.read_text()) if TOLD.exists() else {}
    cost_file = chosen.out / "cost.json"
    cost = files.read_json(cost_file) if cost_file.exists() else before.get("cost", {})
    lines = read(log)
    write("methods", {"waves": before.get("waves", {}) | waves(lines), "cost": cost, "lines": lines})
    result = json.loads(TOLD.read_text())
    (RESULTS / "methods.md").write_text(page(result))
    GUIDE.write_text(guide(GUIDE.read_text(), result))


def main() -> None:
    """One wave, the costs or the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*WAVES, "cost", "page"])
    parser.add_argument("--teacher", default="")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--methods", nargs="+", default=[], help="instead of those of the wave")
    parser.add_argument("--seeds", nargs="+", type=int, default=[])
    parser.add_argument("--part", type=int, default=None)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--views", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--minutes", type=float, default=1e5, help="no step is made after so many")
    parser.add_argument("--rounds", type=int, default=7, help="of the costs")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"))
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    log, begun = chosen.out / "lines.jsonl", time.perf_counter()
    if chosen.what == "cost":
        files.write_json(chosen.out / "cost.json", costs(chosen))
    elif chosen.what == "page":
        publish(chosen, log)
    else:
        wave = WAVES[chosen.what]
        labels = chosen.methods or (promising(read(log)) if wave["labels"] is None else wave["labels"])
        epochs, part = chosen.epochs or wave["epochs"], wave["part"] if chosen.part is None else chosen.part
        runs = [(label, seed) for label in labels for seed in chosen.seeds or wave["seeds"]]
        todo = [
            (label, recipe(label, seed, chosen.teacher, epochs, chosen.views or wave["views"], part))
            for label, seed in runs
        ]
        train_all(todo, chosen.what, chosen, log)
    print(f"{chosen.what}: {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
