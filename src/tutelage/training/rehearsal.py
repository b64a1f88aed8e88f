"""Tries what a mistake in a recipe can break before the first file is written: weights, images, views, networks."""

from tutelage import data, progress
from tutelage.data.splits import DataSet
from tutelage.data.turnstile import no_test_split
from tutelage.errors import UserError
from tutelage.models.building import fetch
from tutelage.outputs import Sizes
from tutelage.run.network import build_for
from tutelage.run.plan import Plan, check_batch, check_together
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher.crossfit import answered_by
from tutelage.teacher.members import load_member
from tutelage.training.own_losses import try_losses


@no_test_split("the check before a training run")
def rehearse(*recipes: Recipe, workspace: Workspace) -> None:
    """Tries each recipe on one batch.

    Args:
        recipes: Tried one after another.
        workspace: Where they would run.

    Raises:
        UserError: one of them cannot be trained.
    """
    workspace.engine.fabric()
    fetch(model for tried in recipes for model in (tried.student, *(spec.model for spec in tried.taught_by)))
    with progress.working("trying each network on a batch"):
        for tried in recipes:
            _try(tried, data.load(tried.data, workspace.data_root), workspace)


def _try(tried: Recipe, dataset: DataSet, workspace: Workspace) -> None:
    check_batch(tried.fit, len(dataset.train), devices=workspace.engine.processes)
    check_together(tried)
    for number, spec in enumerate(tried.taught_by):
        if tried.training_of(spec) is not None:
            field = "teacher.fit" if tried.teacher else f"teachers.{number}.fit"
            trained_on = len(dataset.train) - len(answered_by(tried, spec, dataset).train) or len(dataset.train)
            check_batch(spec.fit, trained_on, field, workspace.engine.processes)
    for run in filter(None, (tried, *tried.of_teachers, tried.of_start)):
        if run.norms == "frozen" and not run.student.weights:
            raise UserError(
                f"norms = frozen keeps the statistics of weights, and those of {run.student.name} are random",
                "name weights, or leave norms at trained",
            )
        dataset.train.view(*Plan.of(run, len(dataset.train)).addresses(0), run.augment)
    student = build_for(tried.student, dataset, tried.seed, learns=True)
    sizes = [_try_teacher(tried, spec, dataset, workspace) for spec in tried.taught_by]
    whole = sizes[0] if len(sizes) == 1 else Sizes(classes=len(dataset.classes) if sizes else 0)
    try_losses(tried, student.sizes(), whole, tried.method.adapters(student.sizes(), whole, len(dataset.train)))
    if tried.of_start is not None:
        tried.of_start.method.adapters(student.sizes(), sizes[0], len(dataset.train))


def _try_teacher(tried: Recipe, spec: TeacherSpec, dataset: DataSet, workspace: Workspace) -> Sizes:
    own = tried.training_of(spec)
    if own is not None:
        return build_for(own.student, dataset, spec.seed, learns=True).sizes()
    return load_member(tried, spec, dataset, workspace).network.sizes()
