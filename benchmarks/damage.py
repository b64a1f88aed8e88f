"""Files of every kind are damaged at random, and the next reader must name it or make it again: never use it.

A small study of the digits and a folder of small photos are made once. A trial copies what a reader needs, flips a bit
of one file, cuts it, sets a stretch of it to zeros, exchanges it with its like (its seal included) or removes it, and
reads as a command would. It ends in "made again" (the value of the undamaged file), "named" (a message for the user),
"silent" (another value) or "traceback" (anything else): the last two must not be.

    TMPDIR=/dev/shm python benchmarks/damage.py [--trials 100] [--seed 0] [--data-root DIR]
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import random
import shutil
import statistics
import tempfile
import time
import timeit
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from _common import RESULTS, made_up_cache, network, write
from tutelage import data, files, sealed
from tutelage.data import Data, index, rowfile
from tutelage.data.augment import Augment
from tutelage.data.facts import of as rows_of
from tutelage.data.places import Place
from tutelage.data.reading import Facts
from tutelage.data.rows import Entry
from tutelage.data.test_split import openings
from tutelage.edge.runtimes import open_file
from tutelage.errors import UserError
from tutelage.methods import method_class
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.weights import weights_digest
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.record import kept
from tutelage.run.workspace import Workspace
from tutelage.study.study import Study
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member
from tutelage.training import predictions
from tutelage.training.loop import train
from tutelage.training.student import load_student

CPU = Engine(device="cpu", threads=1)
SUMS = ("tensors_digest", "_of_json", "_of_bytes", "check")
"""The functions of `sealed` in which runs spend time on checksums; none calls another."""
HOW = ("flip", "cut", "zeros", "swap", "delete")


@dataclass
class World:
    """What was made once, and its truth."""

    runs: Path
    study: Path
    photos: Path
    photo_cache: Path
    recipe: Recipe
    dataset: Any

    @property
    def run(self) -> Run:
        """The run whose files are damaged."""
        return Run(Workspace(self.runs).folder(self.recipe))

    @property
    def other(self) -> Run:
        """Another of the same recipe and another seed, for exchanges."""
        return Run(Workspace(self.runs).folder(replace(self.recipe, seed=1)))


def made(folder: Path) -> World:
    """The world in an empty folder."""
    dataset = data.load(Data("digits", part=200))
    model = Model("convnet", options={"widths": [16, 32], "hidden": 16})
    teacher = build(model, DataSpec(10, 1, 8, dataset.mean, dataset.std))
    save_file({name: t.clone() for name, t in teacher.network.state_dict().items()}, folder / "teacher.safetensors")
    recipe = Recipe(
        data=dataset.data,
        student=Model("convnet", options={"widths": [4, 8], "hidden": 8}),
        teacher=TeacherSpec(replace(model, weights=str(folder / "teacher.safetensors"))),
        method=method_class("srrl")(),
        augment=Augment(crop_padding=1, flip="none"),
        fit=Fit(epochs=3, batch_size=100, learning_rate=0.05, ema=0.9),
        views=2,
    )
    study = Study((recipe,), (0, 1)).run(_place(folder / "runs"), force=True).folder
    generator = np.random.default_rng(0)
    for name in ("blue", "green", "red"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 255, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number:02d}.png")
    world = World(folder / "runs", study, folder / "photos", folder / "photo-cache", recipe, dataset)
    _pictures(world, world.photo_cache)
    return world


def _place(runs: Path) -> Workspace:
    return Workspace(runs, engine=CPU)


# --- what each kind is read by: a value that equals another if and only if the results would be the same


def _resumed(world: World, folder: Path) -> Any:
    """The student that an interrupted run ends with."""
    for name in ("DONE", "student.safetensors"):
        (folder / world.run.path.name / name).unlink(missing_ok=True)
    return files.file_digest(train(world.recipe, _place(folder)).weights)


def _trained(world: World, folder: Path) -> Any:
    """What a finished run says after the command that made it was typed again."""
    run = train(world.recipe, _place(folder))
    costs = {name: run.result("cost")[name] for name in ("images", "teacher_passes_saved", "best_val")}
    card = {name: value for name, value in run.result("card").items() if name not in ("input", "normalisation")}
    return files.file_digest(run.weights), run.metrics(), costs, card


def _opened(world: World, folder: Path) -> Any:
    """What the commands that read a finished run see of it: no training."""
    run = Run.open(folder / world.run.path.name)
    on_val = predictions.on_val(run, world.dataset)
    evaluated = predictions.evaluate_run(run, world.dataset)
    student = weights_digest(load_student(run, world.dataset))
    return run.recipe.to_dict(), student, on_val.logits.tolist(), evaluated, run.metrics(), run.result("cost")


def _answered(world: World, folder: Path) -> Any:
    """What the cache says, asked as a run asks it."""
    member = _member(world)
    cache = lessons.open_cache(world.recipe, member, world.dataset, _place(folder))
    cache.fill(member.network, world.dataset.train, world.recipe.augment, (0, 1), ("logits", "embedding"))
    sample = torch.arange(len(world.dataset.train))
    rows = [cache.answers(sample, torch.full_like(sample, view), ("logits", "embedding")) for view in (0, 1)]
    head = cache.head
    return [
        [part.tolist() for part in (outputs.logits, outputs.embedding)] for outputs in rows
    ], head and head.weight.tolist()


def _pictures(world: World, folder: Path) -> Any:
    """Every pixel of a folder of photos."""
    os.environ["TUTELAGE_CACHE"] = str(folder)
    index._latest.clear()
    data._load.cache_clear()
    dataset = data.load(Data(str(world.photos), size=8))
    return [
        [images.plain(torch.tensor([i])).tolist() for i in range(len(images))] + images.labels.tolist()
        for images in (dataset.train, dataset.val)
    ]


def _reported(world: World, folder: Path) -> Any:
    """What is read of a study: its recipes, its results, its answers on test, the openings."""
    folder = folder / world.study.name
    answers = {name: of.logits.tolist() for name, of in predictions.on_test(folder).items()}
    ledger = openings(_place(folder).test_openings)
    return Study.open(folder).to_dict(), kept(folder, "results"), kept(folder, "test"), answers, ledger


def _predicted(world: World, folder: Path) -> Any:
    """What the exported file says."""
    student = open_file(folder / _exported(world).path.name / "student.onnx")
    card = student.card()
    return card, student.infer(np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)).tolist()


def _member(world: World) -> Any:
    return load_member(world.recipe, world.recipe.taught_by[0], world.dataset, _place(world.runs))


def _exported(world: World) -> Run:
    return Run.open(next(world.runs.glob("*/student.onnx")).parent)


@dataclass(frozen=True)
class Kind:
    """One kind of file."""

    file: Callable[[World], Path]
    """Which is damaged, below `runs` or the photo cache."""
    like: Callable[[World], Path]
    """What it changes places with."""
    read: Callable[[World, Path], Any]


def _of_run(name: str, read: Callable[[World, Path], Any]) -> Kind:
    return Kind(lambda w: w.run.path / name, lambda w: w.other.path / name, read)


def _of_checkpoint(name: str) -> Kind:
    def file(run: Run, place: int) -> Path:
        return sorted(run.checkpoints.folder.glob("step_*"))[place] / name

    return Kind(lambda w: file(w.run, -1), lambda w: file(w.run, -2), _resumed)


def _of_study(name: str) -> Kind:
    return Kind(lambda w: w.study / name, lambda w: w.study / "environment.json", _reported)


def _shard(view: int, ending: str) -> Callable[[World], Path]:
    def file(world: World) -> Path:
        member = _member(world)
        cache = lessons.open_cache(world.recipe, member, world.dataset, _place(world.runs))
        return cache.folder / f"view_000{view}" / f"logits_00000000.{ending}"

    return file


def _cache_file(name: str) -> Kind:
    def other(world: World) -> Path:
        mine = _shard(0, "npy")(world).parent.parent
        return next(path for path in mine.parent.glob(f"*/{name}") if path.parent != mine)

    return Kind(lambda w: _shard(0, "npy")(w).parent.parent / name, other, _answered)


def _of_photos(pattern: str) -> Kind:
    def found(world: World) -> list[Path]:
        return sorted(world.photo_cache.glob(pattern))

    return Kind(lambda w: found(w)[0], lambda w: found(w)[-1], _pictures)


KINDS: dict[str, Kind] = {
    "checkpoint: student": _of_checkpoint("student.safetensors"),
    "checkpoint: adapters": _of_checkpoint("adapters.safetensors"),
    "checkpoint: optimizer": _of_checkpoint("optimizer.safetensors"),
    "checkpoint: average": _of_checkpoint("average.safetensors"),
    "checkpoint: state": _of_checkpoint("state.json"),
    "checkpoint: metrics": _of_checkpoint("metrics.jsonl"),
    "run: recipe, trained again": _of_run("recipe.json", _trained),
    "run: student, trained again": _of_run("student.safetensors", _trained),
    "run: card, trained again": _of_run("card.json", _trained),
    "run: cost, trained again": _of_run("cost.json", _trained),
    "run: metrics, trained again": _of_run("metrics.jsonl", _trained),
    "run: DONE, trained again": _of_run("DONE", _trained),
    "run: recipe": _of_run("recipe.json", _opened),
    "run: student": _of_run("student.safetensors", _opened),
    "run: card": _of_run("card.json", _opened),
    "run: metrics": _of_run("metrics.jsonl", _opened),
    "run: answers on val": _of_run("val_logits.safetensors", _opened),
    "run: evaluation": _of_run("evaluation.json", _opened),
    "run: cost": _of_run("cost.json", _opened),
    "cache: shard": Kind(_shard(0, "npy"), _shard(1, "npy"), _answered),
    "cache: a shard's checksum": Kind(_shard(0, "sha256"), _shard(1, "sha256"), _answered),
    "cache: manifest": _cache_file("manifest.json"),
    "cache: head": _cache_file("head.safetensors"),
    "cache: fixed pictures": _cache_file("probe.safetensors"),
    "photos: pixels": _of_photos("pixels-*/pixels.bin"),
    "photos: shapes": _of_photos("pixels-*/shapes.npy"),
    "photos: index": Kind(
        lambda w: next(w.photo_cache.glob("index-*")), lambda w: next(w.photo_cache.glob("*/pixels.bin")), _pictures
    ),
    "study: study.json": _of_study("study.json"),
    "study: test.json": _of_study("test.json"),
    "study: answers on test": Kind(
        lambda w: w.study / "test_logits.safetensors", lambda w: w.run.path / "val_logits.safetensors", _reported
    ),
    "study: results": _of_study("results.json"),
    "study: openings of test": Kind(
        lambda w: w.runs / "test_openings.jsonl", lambda w: w.run.path / "metrics.jsonl", _reported
    ),
    "export: ONNX file": Kind(
        lambda w: _exported(w).path / "student.onnx", lambda w: w.run.path / "student.safetensors", _predicted
    ),
    "export: export.json": Kind(
        lambda w: _exported(w).path / "export.json", lambda w: _exported(w).path / "card.json", _predicted
    ),
}


def damage(path: Path, like: Path, how: str, drawn: random.Random) -> bool:
    """Damages a file in one way; False where that changed nothing."""
    before = path.read_bytes()
    if how == "delete":
        path.unlink()
    elif how == "cut":
        path.write_bytes(before[: drawn.randrange(len(before))])
    elif how == "zeros":
        start = drawn.randrange(len(before))
        end = drawn.randint(start + 1, len(before))
        path.write_bytes(before[:start] + bytes(end - start) + before[end:])
    elif how == "flip":
        bits = bytearray(before)
        bits[drawn.randrange(len(bits))] ^= 1 << drawn.randrange(8)
        path.write_bytes(bits)
    else:
        # Both lines of checksums go along.
        for one, other in ((path, like), (path.with_suffix(".sha256"), like.with_suffix(".sha256"))):
            if one.exists() and other.exists():
                mine, theirs = one.read_bytes(), other.read_bytes()
                one.write_bytes(theirs)
                other.write_bytes(mine)
    return not path.exists() or path.read_bytes() != before


def trial(world: World, kind: Kind, truth: Any, how: str, drawn: random.Random) -> str:
    """How one damage ended."""
    in_photos = kind.read is _pictures
    root = world.photo_cache if in_photos else world.runs
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / root.name
        shutil.copytree(root, at)
        path, like = (at / of(world).relative_to(root) for of in (kind.file, kind.like))
        if not damage(path, like, how, drawn):
            return "unchanged"
        try:
            value = kind.read(world, at)
        except UserError:
            return "named"
        except Exception:
            logging.getLogger("damage").exception("%s of %s", how, path)
            return "traceback"
        return "made again" if value == truth else "silent"


def truth_of(world: World, kind: Kind) -> Any:
    """What a reader says where nothing is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        root = world.photo_cache if kind.read is _pictures else world.runs
        shutil.copytree(root, Path(folder) / root.name)
        return kind.read(world, Path(folder) / root.name)


def attacked(world: World, names: list[str], trials: int, seed: int) -> dict[str, dict[str, dict[str, int]]]:
    """Counts of how the trials ended, by kind and damage."""
    truths: dict[Any, Any] = {}
    result = {}
    for name in names:
        kind = KINDS[name]
        if kind.read not in truths:
            truths[kind.read] = truth_of(world, kind)
        drawn = random.Random(f"{seed} {name}")
        ends: dict[str, Counter[str]] = {how: Counter() for how in HOW}
        for number in range(trials):
            # There are few ways to remove or to exchange a file, and many to change it.
            how, end = HOW[number % 5] if number < 15 else HOW[number % 3], "unchanged"
            while end == "unchanged":
                end = trial(world, kind, truths[kind.read], how, drawn)
                how = how if end != "unchanged" else "flip"
            ends[how][end] += 1
        result[name] = {how: dict(counts) for how, counts in ends.items()}
    return result


def cost(folder: Path, images: int = 50_000, classes: int = 10, views: int = 8) -> dict[str, float]:
    """Milliseconds, best of five, that checksums take at the start of a run, for a checkpoint, and for a photo."""
    cache = made_up_cache(folder, images, views, {"logits": classes})
    shards_ = sorted(cache.folder.glob("view_*/*.npy"))
    facts = Facts("0" * 64, 500, 375, "RGB", "JPEG", shown="0" * 32)
    entries = [Entry(Place(f"class_{i % classes}/{i:06d}.jpg", "", f"class_{i % classes}", i, i), facts)
               for i in range(images)]  # fmt: skip
    listed = folder / "index-0.rows"
    index._save(listed, rows_of(entries))
    body = listed.read_bytes()
    student = network("resnet20", classes=classes).state_dict()
    pixels = np.zeros((258, 344, 3), np.uint8)
    sums = {
        "start: the index of the photos": lambda: rowfile.read(listed),
        "start: 64 photos of 100 kB drawn": lambda: [hashlib.sha256(body[:100_000]).digest() for _ in range(64)],
        "start: all shards of 8 views (as before)": lambda: [files.file_digest(path) for path in shards_],
        "a checkpoint of ResNet-20, its moments and average": lambda: [
            sealed.tensors_digest(student) for _ in range(3)
        ],
        "a photo of 258 x 344 pixels, the first time": lambda: zlib.crc32(pixels.data),
    }
    return {name: round(1e3 * min(timeit.repeat(run, number=1, repeat=5)), 2) for name, run in sums.items()}


def share(recipe: Recipe, place: Workspace) -> tuple[float, float]:
    """The part of a run's time, from nothing, that goes into checksums, and the seconds that the run takes."""
    spent: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent.append(time.perf_counter() - begun)

        return call

    with contextlib.ExitStack() as stack:
        for name in SUMS:
            stack.enter_context(mock.patch.object(sealed, name, timed(getattr(sealed, name))))
        begun = time.perf_counter()
        train(recipe, place)
        seconds = time.perf_counter() - begun
    return sum(spent) / seconds, seconds


def shares(world: World, folder: Path, data_root: Path | None, runs: int = 5, epochs: int = 30) -> dict[str, list[Any]]:
    """`share` of ResNet-8 by run: taught by kd on the digits, and alone on CIFAR-10 where its files are at hand."""
    fit = Fit(epochs=epochs, batch_size=100, learning_rate=0.05, ema=0.9)
    small = replace(world.recipe, student=Model("resnet8"), method=method_class("kd")(), data=Data("digits"), fit=fit)
    result = {f"the digits, kd, {epochs} epochs": [share(small, _place(folder / str(n))) for n in range(runs)]}
    if data_root:
        large = Recipe(data=Data("cifar10"), student=Model("resnet8"), fit=Fit(epochs=2))
        result["CIFAR-10, baseline, 2 epochs"] = [share(large, replace(_place(folder / "large"), data_root=data_root))]
    return result


def table(result: dict[str, dict[str, dict[str, int]]]) -> str:
    """Markdown."""
    ends = ("made again", "named", "silent", "traceback")
    lines = ["| file | trials | " + " | ".join(ends) + " |", "|---|---:|" + "---:|" * len(ends)]
    for name, by_how in result.items():
        total = sum((Counter(counts) for counts in by_how.values()), Counter())
        lines.append(
            f"| {name} | {sum(total[end] for end in ends)} | " + " | ".join(str(total[e]) for e in ends) + " |"
        )
    return "\n".join(lines)


def page(found: dict[str, Any]) -> str:
    """docs/results/damage.md."""
    count = sum(sum(sum(of.values()) for of in by_how.values()) for by_how in found["kinds"].values())
    costs = "\n".join(f"| {name} | {ms:g} |" for name, ms in found["cost_ms"].items())
    shares = "\n".join(
        f"| {name} | {len(runs)} | {statistics.median(seconds for _, seconds in runs):.1f} s | "
        f"{100 * statistics.median(part for part, _ in runs):.3f} | {100 * max(part for part, _ in runs):.3f} |"
        for name, runs in found["shares"].items()
    )
    return f"""# Damage

`python benchmarks/damage.py`: {count:,} times one file of a small study, or of a folder of photos, had a random bit
flipped, was cut, had a stretch of it set to zeros, changed places with its like (its seal included), or was removed.
Then it was read as the commands read it. "Made again" is the value of the undamaged file, to the bit: for a checkpoint,
the student of the undisturbed run. "Named" is a message that names the file. There must be no other value ("silent")
and no traceback.

{table(found["kinds"])}

## What it costs

Milliseconds that checksums take, the best of five, at 50,000 images of 10 classes, on {found["machine"]["processor"]}.

| what | ms |
|---|---:|
{costs}

Per cent of a whole run's time, ResNet-8, a checkpoint an epoch, the teacher's answers paid:

| run | n | it takes | checksums, median | most |
|---|---:|---:|---:|---:|
{shares}

SHA-256 everywhere, and CRC-32 for decoded photos, each of which is compared when a process first shows it. Shards were
compared with their checksums before, too.
"""


def main() -> None:
    """Runs all kinds and writes docs/results/damage.json and its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--data-root", type=Path, help="of CIFAR-10: the part of a run's time is measured there too")
    parser.add_argument("--kind", action="append", default=[], help="only kinds with this in their name")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("tutelage").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    names = [name for name in KINDS if not chosen.kind or any(part in name for part in chosen.kind)]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            world = made(Path(folder))
        result = {}
        for name in names:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                result |= attacked(world, [name], chosen.trials, chosen.seed)
            print(f"{time.monotonic() - begun:.0f} s {name}: {result[name]}", flush=True)
        (Path(folder) / "cost").mkdir()
        taken_ms = cost(Path(folder) / "cost")
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            parts = shares(world, Path(folder) / "shares", chosen.data_root)
    taken = round(time.monotonic() - begun)
    found = {
        "trials": chosen.trials,
        "seed": chosen.seed,
        "seconds": taken,
        "shares": parts,
        "cost_ms": taken_ms,
        "kinds": result,
    }
    written = write("damage", found, chosen.out)
    written.with_suffix(".md").write_text(page(json.loads(written.read_text())))
    print(table(result))


if __name__ == "__main__":
    main()
