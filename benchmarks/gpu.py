"""The step and fill tables on an accelerator, and what whole recipes take there; under eight minutes, or less: --limit.

bfloat16, channels_last, images on the device; the first pair also with `torch.compile` in the mode reduce-overhead.
Whole recipes are extrapolated from measured steps, validations and fills, and say so:
seconds = epochs x (steps an epoch x step + validation) + teacher passes x fill; a head that is trained first costs one
more pass.

    python benchmarks/gpu.py [--smoke] [--limit SECONDS] [--out FOLDER]
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import step as step_table
from _common import RESULTS, in_words, interleaved, network, random_images, ratio, write
from tutelage.data.augment import Augment
from tutelage.measure.classifier import predict
from tutelage.run.builtin import built_in
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.teacher.answer import frozen
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.identity import identity

SMOKE_PAIRS = ("resnet20:resnet8",)
METHODS = ["kd", "dkd", "rkd"]


def filling(name: str, count: int, rounds: int, limit_s: float, device: torch.device) -> dict[str, Any]:
    """Filling a cache against a bare loop over tensors on the device."""
    net, images = frozen(network(name)).to(device), random_images(count)
    pixels = images.plain(torch.arange(count)).to(device, memory_format=torch.channels_last)
    batch = 64 if device.type == "cpu" else 512

    @torch.inference_mode()
    def bare(number: int) -> None:
        for part in pixels.split(batch):
            net(part)

    with tempfile.TemporaryDirectory() as folder:
        cache = TeacherCache(Path(folder), identity(net, name, images, Augment(), "fp32", "float16"))
        held = images.to(device)
        contenders = {"bare": bare, "fill": lambda view: cache.fill(net, held, Augment(), [view])}
        seconds = interleaved(contenders, rounds, limit_s=limit_s)
    return {
        "network": name,
        "images_per_second": round(count / statistics.median(seconds["fill"])),
        "speed_to_bare": ratio(seconds, "bare", "fill"),
    }


def whole(name: str, recipe: Recipe, images: int, validation: int, measured: dict[str, float]) -> dict[str, Any]:
    """Seconds of a recipe's student and of its teacher's answers, extrapolated."""
    steps = images // recipe.fit.batch_size
    views = min(recipe.views or recipe.fit.epochs, recipe.fit.epochs)
    student = recipe.fit.epochs * (steps * measured["step_s"] + validation * measured["validate_an_image_s"])
    head = recipe.teacher is not None and recipe.teacher.tune == "head"
    fill = (views + head) * images * measured["fill_an_image_s"]
    print(f"{name}: student {student / 60:.1f} min, teacher's answers {fill / 60:.1f} min (extrapolated)", flush=True)
    epochs = {"epochs": recipe.fit.epochs, "views": views, "images": images}
    return {"recipe": name, "extrapolated": True, "student_s": round(student, 1), "fill_s": round(fill, 1)} | epochs


def pieces(
    names: tuple[str, str], fit: Fit, engine: Engine, count: int, rounds: int, limit_s: float
) -> dict[str, float]:
    """Seconds of a kd step, of the teacher's answer to an image and of the student's validation of one."""
    (teacher, student), device = names, engine.fabric().device
    samples = max(count, fit.batch_size)
    table = step_table.pair(teacher, student, ["kd"], fit, rounds, limit_s, engine=engine, samples=samples)
    images, net = random_images(count), network(student).to(device)
    predict(net, images)
    begun = time.perf_counter()
    predict(net, images)
    validated = time.perf_counter() - begun
    return {
        "step_s": table["steps"]["kd"]["median_ms"] / 1e3,
        "fill_an_image_s": 1 / filling(teacher, count, rounds, limit_s, device)["images_per_second"],
        "validate_an_image_s": validated / count,
    }


def main() -> None:
    """Prints and writes gpu.json, or gpu_smoke.json: the same on a CPU with next to nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few steps of the smallest pair, on any machine")
    parser.add_argument("--limit", type=float, default=40.0, help="seconds a table; the fills and pieces take half")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    smoke, limit = chosen.smoke, chosen.limit
    if not smoke and not torch.cuda.is_available():
        raise SystemExit("no GPU here: python benchmarks/gpu.py --smoke shows that the script runs")
    engine = Engine(device="cpu") if smoke else Engine(device="cuda", precision="bf16")
    device, begun = engine.fabric().device, time.perf_counter()
    rounds, count = (2, 64) if smoke else (60, 8192)
    fit = Fit(epochs=1000, batch_size=8 if smoke else 64)
    pairs = []
    for number, names in enumerate(SMOKE_PAIRS if smoke else step_table.PAIRS):
        teacher, student = names.split(":")
        modes = ("reduce-overhead",) if number == 0 and not smoke else ()
        how = {"engine": engine, "samples": count if smoke else 50_000, "compiled": modes}
        pairs.append(step_table.pair(teacher, student, METHODS, fit, rounds, limit, **how))
        for name, values in pairs[-1]["ratio_to_bare"].items():
            print(f"{teacher} -> {student}: {name} / bare = {in_words(values)}", flush=True)
    teachers = [pair["teacher"] for pair in pairs]
    fills = [filling(teacher, count, rounds, limit / 2, device) for teacher in teachers]
    for row in fills:
        print(f"{row['network']}: fill {row['images_per_second']:,} images/s, speed / bare loop ", end="")
        print(in_words(row["speed_to_bare"]), flush=True)

    long = replace(built_in("cifar100"), fit=Fit(epochs=240, batch_size=64, schedule="step"), views=240)
    recipes = []
    for name, recipe, teacher, student in (
        ("article", built_in("article"), "torchvision:resnet50@224", "convnet@224"),
        ("240 epochs, 240 views, resnet32x4 -> resnet8x4", long, "resnet32x4", "resnet8x4"),
    ):
        teacher, student = ("resnet20", "resnet8") if smoke else (teacher, student)
        tried = replace(fit, batch_size=8) if smoke else recipe.fit
        measured = pieces((teacher, student), tried, engine, count, rounds, limit / 2)
        recipes.append(whole(name, recipe, 45_000, 5_000, measured))
    result = {
        "smoke": smoke,
        "precision": engine.precision,
        "batch": fit.batch_size,
        "limit_s": limit,
        "pairs": pairs,
        "fill": fills,
    }
    result |= {"recipes": recipes, "seconds": round(time.perf_counter() - begun, 1)}
    print(write("gpu_smoke" if smoke else "gpu", result, chosen.out))


if __name__ == "__main__":
    main()
