"""A chain: a large network teaches a middle one, which teaches the small one ("teacher assistant").

Mirzadeh et al. 2020, arXiv:1902.03393. Each link is a run of its own, found again by its recipe; here on the digits,
in seconds, beside the small network taught by the large one directly and taught by both at once.

    python examples/chain.py
"""

from dataclasses import replace
from pathlib import Path

from tutelage import Engine, Recipe, train
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods import KD
from tutelage.models import Model
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import TeacherSpec
from tutelage.run.workspace import Workspace

RUNS = Path("runs")


LARGE, MIDDLE, SMALL = Model("resnet20"), Model("resnet14"), Model("resnet8")
FIT = Fit(epochs=3, batch_size=64, learning_rate=0.1)


def taught(student: Model, *teachers: TeacherSpec) -> Run:
    """The run of a student: alone, by one teacher, or by several."""
    alone = Recipe(data=Data("digits"), student=student, augment=Augment(crop_padding=1, flip="none"), fit=FIT)
    recipe = replace(alone.with_teachers(*teachers), method=KD()) if teachers else alone
    return train(recipe, Workspace(RUNS, engine=Engine(device="cpu")))


def by(run: Run) -> TeacherSpec:
    """A finished run as a teacher: its folder says which network it is."""
    return TeacherSpec(Model(weights=str(run.path)))


large = taught(LARGE)
middle = taught(MIDDLE, by(large))
links = {
    "large, alone": large,
    "middle, by large": middle,
    "small, alone": taught(SMALL),
    "small, by large": taught(SMALL, by(large)),
    "small, by middle": taught(SMALL, by(middle)),
    "small, by both": taught(SMALL, by(large), by(middle)),
}
for name, run in links.items():
    print(f"{name:<17} val top-1 {run.curve('val', 'top1')[-1][1]:.1%}   {run.path}")
