"""The loss of every method on one fixed small problem: the digits, resnet20 -> resnet8, 100 steps of 64 images,
seed 0, gradients clipped at norm 1 (sem_ckd at its published weight diverges here without).

    python benchmarks/curves.py [--methods kd dkd] [--clip-norm 0]

Writes docs/reference/curves/NAME.svg: the sum of the method's terms at each step, its own scale. With another
--clip-norm (0: none) nothing is written, the first and the last loss are printed alone.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import altair as alt
import torch

from tutelage import Engine, data, rng, train
from tutelage.methods import METHODS, method_class
from tutelage.models.tune import set_trained
from tutelage.run import optim
from tutelage.run.builtin import built_in
from tutelage.run.network import build_for
from tutelage.run.plan import Plan
from tutelage.run.process import ALONE
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.training.distiller import Distiller
from tutelage.training.step import Step

STEPS = 100
CLIP_NORM = 1.0
FOLDER = Path(__file__).parent.parent / "docs" / "reference" / "curves"


def losses(name: str, runs: Path, clip_norm: float = CLIP_NORM) -> list[float]:
    """The loss at every step."""
    recipe = built_in("digits")
    recipe = replace(
        recipe, method=method_class(name)(), fit=replace(recipe.fit, epochs=5, learning_rate=0.05, clip_norm=clip_norm)
    )
    engine = Engine(device="cpu", threads=1)
    for own in recipe.of_teachers:
        train(own, Workspace(runs, engine=engine))
    recipe = recipe if recipe.method.needs else replace(recipe, teacher=None)
    dataset = data.load(recipe.data)
    plan = Plan(len(dataset.train), recipe.views, recipe.seed, recipe.fit)
    lesson = lessons.prepare(recipe, dataset, Workspace(runs), ALONE)
    student = build_for(recipe.student, dataset, recipe.seed)
    with rng.seeded(recipe.seed, "adapters"):
        adapters = recipe.method.adapters(student.sizes(), lesson.sizes, len(dataset.train))
    set_trained(student, recipe.tune)
    distiller = Distiller(student, recipe.method, adapters).to(memory_format=torch.channels_last)
    fabric = engine.fabric()
    module, optimizer = fabric.setup(distiller, optim.optimizer(recipe.fit, distiller))
    step = Step(fabric, recipe, plan, dataset.train.labels, lesson.teacher, module, optimizer)
    views = dataset.train.stream(map(plan.addresses, range(STEPS)), recipe.augment)
    return [sum(term.item() for term in step(number, seen).values()) for number, seen in enumerate(views)]


def main() -> None:
    """Draws the curves that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--runs", type=Path, default=Path("runs/curves"))
    parser.add_argument("--clip-norm", type=float, default=CLIP_NORM)
    chosen = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in chosen.methods:
        values = [
            {"step": step, "loss": round(loss, 4)}
            for step, loss in enumerate(losses(name, chosen.runs, chosen.clip_norm))
        ]
        print(f"{name}: {values[0]['loss']} -> {values[-1]['loss']}", flush=True)
        if chosen.clip_norm != CLIP_NORM:
            continue
        chart = alt.Chart(alt.Data(values=values), width=420, height=90).mark_line(strokeWidth=1.5, color="#0072b2")
        axis = alt.Axis(tickCount=4, grid=False)
        chart = chart.encode(x=alt.X("step:Q", axis=axis), y=alt.Y("loss:Q", axis=axis, scale=alt.Scale(zero=False)))
        chart.save(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
