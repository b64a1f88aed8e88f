"""Good students from few photos: what a pretrained student, a teacher and the recipe's rules are worth on small sets.

Sets: CIFAR-10's files at 20, 60 and 200 images a class, and Debian's dataset-fashion-mnist (MIT) at 20, enlarged and
written as folders of JPEGs with 20 val and 100 test images of each class. Student: EfficientNet-lite0, from random
weights and from ImageNet's; teacher: the head of EfficientNet-lite2. Steps, in order:

    python benchmarks/small_photos.py sets --out DIR               # the pictures in one file, DIR/sets.npz
    python benchmarks/small_photos.py run --out DIR [--scale small] [--jobs 1] [--minutes 60]  # val alone; resumable
    python benchmarks/small_photos.py test --out DIR               # opens each set's test split once, for all trials
    python benchmarks/small_photos.py page --out DIR               # docs/results/small_photos.json and .md

TUTELAGE_DATA is the folder of CIFAR-10, TUTELAGE_WEIGHTS that of the weights. Every finished trial is a line of
DIR/trials.jsonl. `page` reads test for the first time: the best tried is chosen on val before.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tutelage import Engine, data, files, train
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.builtin import photos
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace

VAL, TEST = 20, 100
SETS = {"cifar10-20": 20, "fashion-20": 20, "cifar10-60": 60, "cifar10-200": 200}
"""Training images a class."""
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
STUDENT, TEACHER = "tf_efficientnet_lite0", "tf_efficientnet_lite2"


SCALES = {"full": (10, 96), "small": (5, 64)}
"""Classes, and pixels a side of pictures and student; the teacher, made for 260, sees twice as many."""
STEPS, EPOCHS = 200, (6, 15)
"""Of a pretrained student: steps of 32 images, within so many epochs."""
HEAD = {"tune": "head"}
LEARNT = {"norms": "trained"}
TRIED: dict[str, dict[str, Any]] = {
    "whole network": {},
    "head": HEAD,
    "last stage": {"tune": "last_stage"},
    "whole network, rate 0.003": {"fit.learning_rate": 0.003},
    "whole network, rate 0.03": {"fit.learning_rate": 0.03},
    **{
        f"whole network, AdamW {rate}": {
            "fit.optimizer": "adamw",
            "fit.learning_rate": float(rate),
            "fit.weight_decay": 0.01,
        }
        for rate in ("0.00025", "0.0005", "0.001", "0.002")
    },
    "whole network, statistics learnt": LEARNT,
}
"""What of a pretrained student is trained and how, over the same number of steps; statistics: BatchNorm's."""
UNLABELLED, STARTED = "whole network, unlabelled photos too", "whole network, start without labels"
MORE = {
    UNLABELLED: (0, True, 0),
    STARTED: (5, False, 0),
    f"{STARTED}, unlabelled photos too": (5, True, 0),
    "whole network, teacher of 5 folds": (0, False, 5),
}
"""Of the whole network: epochs in which it first learns the teacher's embeddings alone; whether further photos without
a class are answered too (for as many epochs: of cifar10-20 ten times the steps); and teacher.folds."""
RULES = "whole network, AdamW 0.00025"
"""What the recipe's rules do; until these trials it was the row `whole network`."""
ALONE = "alone"
TAUGHT = {f"kd, T = {t}, alpha = {a}": KD(float(t), a) for t, a in ((1, 0.5), (2, 0.5), (4, 0.9))}
SOFT, HARD = "kd, T = 2, alpha = 0.5", "kd, T = 4, alpha = 0.9"
ROWS = (
    *((student, name) for student in ("whole network", "head") for name in (ALONE, *TAUGHT)),
    *((name, SOFT) for name in MORE),
    *((name, ALONE) for name in TRIED if name not in ("whole network", "head", "whole network, statistics learnt")),
    *((name, SOFT) for name in ("whole network, AdamW 0.0005", RULES)),
    *((student, name) for student in ("whole network, statistics learnt", "random") for name in (ALONE, HARD)),
)
"""What is trained, and who teaches."""
RANDOM_EPOCHS = 60
"""Of a student from random weights: what the rules give these sets."""


@dataclass(frozen=True)
class Trial:
    """One run on one set."""

    set: str
    student: str
    method: str
    recipe: Recipe

    @property
    def named(self) -> dict[str, Any]:
        """What its line says first."""
        return {"set": self.set, "student": self.student, "method": self.method, "seed": self.recipe.seed}


def make_sets(out: Path) -> None:
    """Writes the pictures of all sets into one file, small enough to travel."""
    from torchvision.datasets import CIFAR10

    cifar = CIFAR10(os.environ["TUTELAGE_DATA"], train=True)
    clothes, of_clothes = (_idx(f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    names = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
    sources = {
        "cifar10": (cifar.data, np.array(cifar.targets), tuple(cifar.classes), 200),
        "fashion": (np.repeat(clothes[..., None], 3, 3), of_clothes, names, 60),
    }
    arrays: dict[str, np.ndarray] = {}
    for name, (images, labels, classes, most) in sources.items():
        draw = np.random.default_rng(0)
        members = [draw.permutation(np.flatnonzero(labels == c))[: TEST + VAL + most] for c in range(len(classes))]
        arrays |= {name: np.stack([images[of] for of in members]), f"{name}-classes": np.array(classes)}
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "sets.npz", **arrays)


def _idx(name: str) -> np.ndarray:
    import gzip

    raw = gzip.decompress((Path(os.environ.get("FASHION_MNIST", DEBIAN)) / name).read_bytes())
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


@dataclass(frozen=True)
class Bench:
    """Where everything is, and how large the sets are."""

    out: Path
    scale: str

    def write_folder(self, name: str) -> None:
        """A set as a folder of JPEGs; larger ones of one source hold the smaller ones, val and test are the same."""
        packed = np.load(self.out / "sets.npz")
        source = name.partition("-")[0]
        classes, side = SCALES[self.scale]
        for of, label in list(zip(packed[source], packed[f"{source}-classes"], strict=True))[:classes]:
            for number, pixels in enumerate(of[: TEST + VAL + SETS[name]]):
                split = "test" if number < TEST else "val" if number < TEST + VAL else "train"
                file = self.folder(name) / split / str(label) / f"{number:03d}.jpg"
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, quality=90)

    def folder(self, name: str) -> Path:
        """Of a set's photos."""
        return self.out / f"photos-{self.scale}" / name

    def unlabelled(self, name: str) -> Path:
        """A folder with those photos of a set's source that the set has not, classes mixed; written where it is not."""
        packed, source, folder = np.load(self.out / "sets.npz"), name.partition("-")[0], self.folder(f"{name}-others")
        classes, side = SCALES[self.scale]
        for label, of in enumerate(packed[source][:classes]):
            for number, pixels in enumerate(of[TEST + VAL + SETS[name] :]):
                file = folder / f"{number:03d}-{label}.jpg"
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, quality=90)
        return folder

    def by_the_rules(self, name: str, *, pretrained: bool = True) -> Recipe:
        """What `tutelage distill FOLDER` does with these networks, at the numbers that its rules choose."""
        recipe = photos.photos(str(self.folder(name)))
        student = Model(f"timm:{STUDENT}", weights=weights(STUDENT) if pretrained else "")
        teacher = Model(f"timm:{TEACHER}", weights=weights(TEACHER), size=2 * SCALES[self.scale][1])
        assert recipe.teacher is not None
        recipe = replace(recipe, student=student, teacher=replace(recipe.teacher, model=teacher))
        return photos.fitted(recipe, () if pretrained else ("student.weights",))[0]

    def tried(self, name: str, student: str, method: str) -> Recipe:
        """One of `ROWS` on a set; what the rules may set is set here, so that other rules change no row."""
        images = SCALES[self.scale][0] * SETS[name]
        recipe = self.by_the_rules(name, pretrained=student != "random")
        recipe = replace(recipe, tune="full", norms="trained", views=8)
        if student == "random":
            fit = Fit(RANDOM_EPOCHS, 32, learning_rate=0.05, weight_decay=1e-4, clip_norm=1.0)
            recipe = replace(recipe, fit=fit)
        else:
            epochs = min(max(round(STEPS * 32 / images), EPOCHS[0]), EPOCHS[1])
            fit = Fit(epochs, 32, learning_rate=0.01, weight_decay=1e-4, clip_norm=1.0)
            recipe = replace(recipe, norms="frozen", fit=fit)
            for field, value in TRIED.get(student, {}).items():
                recipe = photos.replaced(recipe, field.split("."), value)
            start, others, folds = MORE.get(student, (0, False, 0))
            assert recipe.teacher is not None
            recipe = replace(recipe, start_epochs=start, teacher=replace(recipe.teacher, folds=folds))
            if others:
                recipe = replace(recipe, data=replace(recipe.data, unlabeled=str(self.unlabelled(name))))
        return recipe.as_baseline if method == ALONE else replace(recipe, method=TAUGHT[method])

    def trials(self, sets: list[str], students: list[str], seeds: int) -> Iterator[Trial]:
        """Seed by seed."""
        for seed in range(seeds):
            for name in sets:
                for student, method in ROWS:
                    if student in students:
                        recipe = self.tried(name, student, method)
                        yield Trial(name, student, method, replace(recipe, seed=seed))


def weights(name: str) -> str:
    """The file of ImageNet's weights of a network."""
    return str(Path(os.environ["TUTELAGE_WEIGHTS"]) / f"imagenet_{name}.safetensors")


def prepare(trial: Trial, workspace: Workspace) -> str:
    """Trains a set's teacher and asks it once, before several runs want its answers. In a process of its own."""
    from tutelage.run.process import Process
    from tutelage.teacher import lessons

    # What a spawned process starts would be spawned too, and import everything before it makes a view.
    multiprocessing.set_start_method("fork", force=True)
    device = str(workspace.engine.fabric().device)
    for own in trial.recipe.of_teachers:
        run = train(own, workspace)
    dataset = data.load(trial.recipe.data)
    every = replace(trial.recipe, fit=replace(trial.recipe.fit, epochs=trial.recipe.views))
    lessons.prepare(every, dataset, workspace, Process(device))
    return f"{trial.set}: teacher right on {100 * run.curve('val', 'top1')[-1][1]:.1f} % of val"


def make(trial: Trial, workspace: Workspace, until: float) -> dict[str, Any] | None:
    """Trains one and says what came of it; None where the time is over. In a process of its own."""
    import torch

    if time.time() > until:
        return None
    torch.set_num_threads(1)
    try:
        run = train(trial.recipe, workspace)
    except Exception as error:  # one trial that fails does not end the others; its line says why
        if workspace.engine.graphs:
            return make(trial, replace(workspace, engine=replace(workspace.engine, graphs=False)), until)
        return trial.named | {"run": trial.recipe.name, "error": repr(error)}
    val, seconds = run.curve("val", "top1")[-1][1], run.result("cost")["seconds"]
    line = trial.named | {"val": round(val, 6), "seconds": round(seconds, 1), "run": trial.recipe.name}
    return line | {"epochs": trial.recipe.fit.epochs, "graphs": workspace.engine.graphs}


def run(given: argparse.Namespace) -> None:
    """Makes what DIR/trials.jsonl does not have, several at once, until the time is over."""
    log, until = given.out / "trials.jsonl", time.time() + 60 * given.minutes
    bench = Bench(given.out, given.scale)
    for name in given.sets:
        bench.write_folder(name)
    done = {line["run"] for line in files.read_lines(log) if "val" in line}
    todo = [trial for trial in bench.trials(given.sets, given.students, given.seeds) if trial.recipe.name not in done]
    begun = time.time()
    workspace = Workspace(given.out / "runs", engine=Engine(graphs=given.graphs, workers=0))
    plain = replace(workspace, engine=replace(workspace.engine, graphs=False))
    with _pool(given.jobs) as pool:
        of_sets = {trial.set: trial for trial in todo if trial.recipe.teacher is not None}
        for told in pool.map(prepare, of_sets.values(), [plain] * len(of_sets)):
            print(f"{time.time() - begun:.0f} s: {told}", flush=True)
        for line in pool.map(make, todo, [workspace] * len(todo), [until] * len(todo)):
            if line is not None:
                files.append_line(log, line)
                if given.verbose or "error" in line:
                    print(f"{time.time() - begun:.0f} s: {line}", flush=True)
    left = len(todo) - len({line["run"] for line in files.read_lines(log)} & {t.recipe.name for t in todo})
    print(f"{time.time() - begun:.0f} s: {left} of {len(todo)} trials are left", flush=True)


def _pool(jobs: int) -> Executor:
    """Processes; of one job alone a thread of this one."""
    if jobs == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def measure_on_test(name: str, bench: Bench, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Opens the test split of one set once and asks its teacher and every finished trial. In a process of its own."""
    import torch

    from tutelage.data.memory import MemoryImages
    from tutelage.data.test_split import open_test
    from tutelage.measure.classifier import predict
    from tutelage.run.folder import Run
    from tutelage.teacher.members import load_member
    from tutelage.training.student import load_student

    workspace = Workspace(bench.out / "runs")
    device = workspace.engine.fabric().device
    recipe = bench.by_the_rules(name)
    dataset = data.load(recipe.data)
    test = open_test(dataset, workspace.test_openings, run=f"small_photos {name}", reason="all trials of a benchmark")
    pixels = (test.plain(torch.arange(len(test))) * 255).round().to(torch.uint8).contiguous()
    test = MemoryImages(pixels, test.labels).to(device)
    assert recipe.teacher is not None
    networks = {"teacher": load_member(recipe, recipe.teacher, dataset, workspace).network}
    found = []
    for run in ("teacher", *(line["run"] for line in lines)):
        network = networks[run] if run in networks else load_student(Run.open(workspace.runs / run), dataset)
        right = predict(network.to(device), test).argmax(1) == test.labels.cpu()
        found.append({"set": name, "run": run, "test": right.float().mean().item()})
    return found


def by_row(lines: list[dict[str, Any]], name: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The finished trials of a set by what is trained and who teaches, seeds in order."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in sorted(
        (line for line in lines if line["set"] == name and "val" in line), key=lambda line: line["seed"]
    ):
        found.setdefault((line["student"], line["method"]), []).append(line)
    return found


def compared(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Those that the rules are compared with: from ImageNet's weights, on the labelled photos alone, by one teacher."""
    return {row: of for row, of in rows.items() if row[0] not in MORE and row[0] != "random"}


def best_on_val(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> tuple[str, str]:
    """Of rows with as many seeds as the least tried has, the first with the highest mean."""
    seeds = min(len(of) for of in rows.values())
    return max(rows, key=lambda row: statistics.mean(line["val"] for line in rows[row][:seeds]))


def test(given: argparse.Namespace) -> None:
    """Writes DIR/test.jsonl, which only `page` reads: the best on val, the rules' rows, SGD's and the head's.

    What was measured before is not measured again; where the best is another since, the split is opened once more.
    """
    lines = files.read_lines(given.out / "trials.jsonl")
    tested = {(line["set"], line["run"]) for line in files.read_lines(given.out / "test.jsonl")}
    by_set = {}
    for name in given.sets:
        rows = compared(by_row(lines, name))
        chosen = {(student, method) for student in (RULES, "whole network", "head") for method in (ALONE, SOFT)}
        wanted = [line for row in sorted(chosen | {best_on_val(rows)}) for line in rows.get(row, [])]
        if missing := [line for line in wanted if (name, line["run"]) not in tested]:
            by_set[name] = missing
    with _pool(given.jobs) as pool:
        for found in pool.map(measure_on_test, by_set, [Bench(given.out, given.scale)] * len(by_set), by_set.values()):
            for line in found:
                files.append_line(given.out / "test.jsonl", line)
    from tutelage.run.folder import machine

    (given.out / "machine.json").write_text(json.dumps(machine() | {"torch": __import__("torch").__version__}))


def main() -> None:
    """Runs one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("sets", "run", "test", "page"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument(
        "--students", nargs="+", default=["random", *TRIED, *MORE], help="what of them is trained, as in ROWS"
    )
    parser.add_argument("--seeds", type=int, default=5, help="at most")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--scale", default="full", choices=SCALES)
    parser.add_argument("--graphs", action="store_true", help="CUDA graphs")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    given.out = given.out.resolve()
    if given.step == "page":
        from small_photos_page import page

        page(Bench(given.out, given.scale))
    else:
        {"sets": lambda given: make_sets(given.out), "run": run, "test": test}[given.step](given)


if __name__ == "__main__":
    main()
