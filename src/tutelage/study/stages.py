"""Trains a teacher's head, then more of it from there, and lets the cheapest teach that val does not show to be worse.

Head first, then the rest from that head: Kumar et al. 2022, arXiv:2202.10054 (a new head's first gradients would spoil
what the backbone knows). BatchNorm's statistics stay.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage import data, progress
from tutelage.data.turnstile import no_test_split
from tutelage.errors import UserError
from tutelage.measure.fidelity import right
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, Stage, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.training.loop import train
from tutelage.training.predictions import on_val

WORDS = {"head": "its head", "last_stage": "its last stage", "full": "all of it"}


@dataclass(frozen=True)
class Tried:
    """A teacher as one stage leaves it."""

    spec: TeacherSpec
    run: Run
    right: Tensor
    """Which validation images it is right on."""
    seconds: float
    """Of training, with the stages before it."""


@no_test_split("the choice of a teacher")
def with_staged_teacher(recipe: Recipe, stages: tuple[Stage, ...], workspace: Workspace) -> Recipe:
    """A recipe whose teacher is the one that was chosen on val among these stages of its training.

    Args:
        recipe: With one teacher, which is trained first.
        stages: The cheapest first; each begins where the first has ended.
        workspace: Where the teachers are trained; what is trained already is found.

    Raises:
        UserError: no such teacher, or the stages are not in their order.
    """
    order = [stage for stage in WORDS if stage in stages]
    if list(stages) != order or recipe.teacher is None or recipe.teacher.tune == "none":
        raise UserError(
            f"--stages {' '.join(stages)} goes with one teacher that is trained first, and with each stage once, from "
            "head to full",
            "--stages head last_stage",
        )
    tried: list[Tried] = []
    for stage in stages:
        tried.append(_trained(recipe, stage, tried, workspace))
        accuracy = f"{100 * tried[-1].right.float().mean().item():.1f} %"
        progress.say(
            f"teacher {recipe.teacher.model.name}, {WORDS[stage]} trained: right on {accuracy} of "
            f"{len(tried[-1].right):,} validation images after {progress.duration(tried[-1].seconds)}"
        )
    best = chosen([trained.right for trained in tried])
    progress.say(
        f"the teacher with {WORDS[stages[best]]} trained teaches: on val none that costs more is better by more than a "
        "standard error"
    )
    return dataclasses.replace(recipe, teacher=tried[best].spec)


def chosen(answers: list[Tensor]) -> int:
    """The first of several networks that none after it beats by more than one standard error of their difference.

    Args:
        answers: Of each, the cheapest first, whether it is right on each of the same images.

    >>> head, whole = torch.tensor([1, 1, 0, 0, 1, 0, 1, 1]), torch.ones(8)
    >>> chosen([head, whole]), chosen([head, head])
    (1, 0)
    """
    for number, cheap in enumerate(answers):
        differences = [dear.double() - cheap.double() for dear in answers[number + 1 :]]
        # One image more is exactly one standard error: rounding shall not decide.
        if not any(d.mean() > (1 + 1e-9) * d.std() / math.sqrt(len(d)) for d in differences):
            return number
    raise AssertionError("the last has none after it")


def _trained(recipe: Recipe, stage: Stage, before: list[Tried], workspace: Workspace) -> Tried:
    assert recipe.teacher is not None
    spec = dataclasses.replace(recipe.teacher, tune=stage)
    if before:
        begun = dataclasses.replace(spec.model, weights=str(before[0].run.path))
        spec = dataclasses.replace(spec, model=begun, norms="frozen")
    own = recipe.training_of(spec)
    assert own is not None
    run = train(own, workspace)
    dataset = data.load(own.data, workspace.data_root)
    seconds = run.result("cost")["seconds"] + (before[0].seconds if before else 0.0)
    return Tried(spec, run, torch.from_numpy(right(*on_val(run, dataset))), seconds)
