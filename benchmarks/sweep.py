"""A sweep on one cache: 8 settings x 5 seeds against 40 bare trainings of the same student and one fill.

A bare training is a plain loop: the student built, the same number of steps on ready tensors, its accuracy on the
validation images after every epoch; nothing is written. One follows every fourth run, so that drift hits both alike. A
run of the sweep is what `tutelage train` does, checkpoints, evaluation and all, without the imports.

    python benchmarks/sweep.py [--seeds 5] [--part 5000] [--epochs 1] [--threads 0] [--data-root DIR]
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from _common import bare_step, write
from tutelage import Engine, data, train
from tutelage.data import Data
from tutelage.data.splits import DataSet
from tutelage.measure.classifier import measure, predict
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.run.network import build_for
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member
from tutelage.training.predictions import evaluate_run

SETTINGS = [(temperature, alpha) for temperature in (1.0, 2.0, 4.0, 8.0) for alpha in (0.5, 0.9)]
BARE_EVERY = 4


def bare_training(recipe: Recipe, dataset: DataSet) -> float:
    """Seconds of the same student's training without anything else."""
    begun = time.perf_counter()
    student = build_for(recipe.student, dataset, recipe.seed, learns=True)
    student.to(memory_format=torch.channels_last)
    step = bare_step(student, dataset.train, recipe.fit)
    for _ in range(recipe.fit.epochs):
        for number in range(len(dataset.train) // recipe.fit.batch_size):
            step(number)
        measure(predict(student, dataset.val), dataset.val.labels)
        student.train()
    return time.perf_counter() - begun


def main() -> None:
    """Prints and writes docs/results/sweep.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", type=int, default=len(SETTINGS))
    parser.add_argument("--part", type=int, default=5000, help="training images of CIFAR-10")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--student", default="resnet8")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--data-root", type=Path)
    chosen = parser.parse_args()
    engine = Engine(device="cpu", threads=chosen.threads)
    engine.fabric()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        weights = runs / "teacher.safetensors"
        recipe = Recipe(
            data=Data("cifar10", part=chosen.part, val_share=0.02),
            student=Model(chosen.student),
            teacher=TeacherSpec(Model("resnet20", weights=str(weights))),
            fit=Fit(epochs=chosen.epochs, batch_size=64),
            views=1,
        )
        dataset = data.load(recipe.data, chosen.data_root)
        teacher = build_for(Model("resnet20"), dataset, 0)
        save_file(teacher.network.state_dict(), weights)
        sweep = [
            replace(recipe, method=KD(temperature=temperature, alpha=alpha), seed=seed)
            for seed in range(chosen.seeds)
            for temperature, alpha in SETTINGS[: chosen.settings]
        ]
        begun = time.perf_counter()
        member = load_member(recipe, recipe.taught_by[0], dataset, Workspace(runs))
        cache = lessons.open_cache(recipe, member, dataset, Workspace(runs))
        cache.fill(member.network, dataset.train, recipe.augment, [0])
        lessons.on_val(recipe, member, dataset, Workspace(runs))
        filled = time.perf_counter() - begun
        bare_training(recipe, dataset)  # the first of a process is slower, for either side
        taught, bare = [], []
        for number, one in enumerate(sweep):
            begun = time.perf_counter()
            run = train(one, Workspace(runs, chosen.data_root, engine))
            evaluate_run(run, data.load(one.data, chosen.data_root))
            taught.append(time.perf_counter() - begun)
            if number % BARE_EVERY == BARE_EVERY - 1 or number == 0:
                bare.append(bare_training(one, dataset))
                print(f"{number + 1} of {len(sweep)} runs, {sum(taught):.0f} s", flush=True)
        paid = sum(run.result("cost")["teacher_passes_paid"] for run in map(_run_of(runs), sweep))
    allowed = len(sweep) * statistics.mean(bare) + filled
    result = {
        "student": chosen.student,
        "images": chosen.part,
        "epochs": chosen.epochs,
        "runs": len(sweep),
        "bare_trainings": len(bare),
        "run_s": {"mean": round(statistics.mean(taught), 3), "median": round(statistics.median(taught), 3)},
        "bare_s": {"mean": round(statistics.mean(bare), 3), "median": round(statistics.median(bare), 3)},
        "fill_s": round(filled, 3),
        "teacher_passes_paid_by_runs": paid,
        "total_s": round(sum(taught) + filled, 1),
        "ratio_to_bare_and_one_fill": round((sum(taught) + filled) / allowed, 4),
    }
    print(
        f"{len(sweep)} runs and one fill / as many bare trainings and one fill = {result['ratio_to_bare_and_one_fill']}"
    )
    print(f"a run {result['run_s']['median']} s, a bare training {result['bare_s']['median']} s, fill {filled:.2f} s")
    print(write("sweep", result))


def _run_of(runs: Path):
    from tutelage import Run

    return lambda recipe: Run.of(recipe, runs)


if __name__ == "__main__":
    main()
