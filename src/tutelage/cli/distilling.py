"""Runs `tutelage distill`: which rows the study has, how much of the teacher is trained, and on which folds."""

import dataclasses

from tutelage.cli import fitting, tracking
from tutelage.cli.commands import folders, report
from tutelage.cli.flags import DistillFlags, parsed, suited, with_method
from tutelage.run import builtin
from tutelage.run.builtin import photos
from tutelage.run.recipe import Recipe
from tutelage.study.folds import CrossValidation
from tutelage.study.stages import with_staged_teacher
from tutelage.study.study import Study
from tutelage.study.watch import Watch
from tutelage.study.work import Jobs, train_teachers
from tutelage.training import preflight


def distill(arguments: list[str]) -> None:
    """Teacher, cache, baseline and students on paired seeds, evaluation, export, report."""
    watch = Watch()
    flags = fitting.fitted(parsed(DistillFlags, "distill", arguments), arguments)
    if flags.fit_in:
        flags = suited(flags, arguments)
    if flags.stages:
        preflight.rehearse(flags.recipe, workspace=flags.workspace)
        flags = dataclasses.replace(flags, recipe=with_staged_teacher(flags.recipe, flags.stages, flags.workspace))
    recipes = rows(flags, of_photos=builtin.is_short_for_photos(arguments[0]))
    study = Study(recipes, flags.seeds, flags.name, fitting.room_of(flags))
    folded = CrossValidation(study.rows, flags.folds, flags.repeats) if flags.folds else None
    if folded is not None:
        folded.check()
    preflight.rehearse(*recipes, workspace=flags.workspace)
    with tracking.following(flags.log, folders(flags.workspace, study.every)):
        with watch.noting_a_stop(study.folder(flags.runs)):
            train_teachers(recipes, flags.workspace, watch)
            preflight.before_training(recipes[-1], flags.workspace)
            if folded is not None:
                folded.run(flags.workspace, study.folder(flags.runs))
        outcome = study.run(flags.workspace, watch=watch, force=flags.force, jobs=Jobs(flags.jobs, flags.on, flags.gpu))
    if outcome is not None:
        report([str(outcome.folder)])


def rows(flags: DistillFlags, *, of_photos: bool) -> tuple[Recipe, ...]:
    """What the study compares with its baseline: the recipe, or it with each of several methods."""
    recipes = tuple(with_method(flags.recipe, name) for name in flags.methods) or (flags.recipe,)
    if flags.methods and of_photos:
        recipes = tuple(dataclasses.replace(one, method=photos.suited(one.method, one)) for one in recipes)
    return tuple(row for one in recipes for row in _without_unlabeled(one))


def _without_unlabeled(taught: Recipe) -> tuple[Recipe, ...]:
    """A row of a study; before one that learns from images without a label the same without them."""
    labelled = dataclasses.replace(taught, data=taught.data.labelled)
    return (taught,) if labelled == taught else (labelled, taught)
