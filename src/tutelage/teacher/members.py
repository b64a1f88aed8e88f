"""Finds the teachers that a recipe names: their networks, their weights, and what is known of their training."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.models.tap import Tapped
from tutelage.run.folder import Run
from tutelage.run.named_files import weights_file
from tutelage.run.network import build_for, check_order
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher.answer import frozen


class Member(NamedTuple):
    """One teacher of a recipe, ready to be asked."""

    spec: TeacherSpec
    model: Model
    """With the file of its final weights, where it was trained first or is a run."""
    network: Tapped
    """Frozen."""


def load_member(recipe: Recipe, spec: TeacherSpec, dataset: DataSet, workspace: Workspace) -> Member:
    """One of a recipe's teachers with its weights.

    Raises:
        UserError: no weights, weights of another network, other classes, or the same in another order.
    """
    model = teacher_model(recipe, spec, workspace)
    network = build_for(model, dataset, spec.seed)
    check_order(model, network, dataset)
    return Member(spec, model, frozen(network))


def teacher_model(recipe: Recipe, spec: TeacherSpec, workspace: Workspace) -> Model:
    """A teacher's network with the file of its final weights, where it was trained first or is a run."""
    own = recipe.training_of(spec)
    if own is not None:
        run = Run(workspace.folder(own))
        if not run.done:
            raise UserError(f"the teacher's run {run.path} is not finished", "tutelage distill trains it first")
        return dataclasses.replace(spec.model, weights=str(run.weights))
    if not spec.model.weights:
        raise UserError(
            f"the teacher {spec.model.name} has no weights",
            'give --teacher a file of weights or a run\'s folder, or set teacher.tune = "full" to train it first',
        )
    if Path(spec.model.weights).is_dir():
        run = Run.open(Path(spec.model.weights))
        return dataclasses.replace(run.recipe.student, weights=str(weights_file(str(run.path))))
    return spec.model


def held_out(recipe: Recipe, spec: TeacherSpec) -> bool:
    """Whether a teacher was trained here without the validation images (what it began with may have seen them)."""
    folder = Path(spec.model.weights or "-")
    if spec.tune != "none" or not (folder / "recipe.json").is_file():
        return spec.tune != "none"
    # A part of the training images leaves the split of val as it is.
    trained_on = dataclasses.replace(Run.open(folder).recipe.data, part=recipe.data.part)
    return trained_on == recipe.data or trained_on.identity == recipe.data.identity


def trained_by(recipe: Recipe, spec: TeacherSpec) -> Recipe | None:
    """The run that made a teacher's weights, where it is known."""
    folder = Path(spec.model.weights or "-")
    if spec.tune == "none" and (folder / "recipe.json").is_file():
        return Run.open(folder).recipe
    return recipe.training_of(spec)
