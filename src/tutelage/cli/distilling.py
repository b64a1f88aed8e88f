"""Runs `tutelage distill`: which rows the study has, how much of the teacher is trained, and on which folds."""

import dataclasses

from tutelage import progress
from tutelage.cli import fitting, tracking
from tutelage.cli.commands import folders, show
from tutelage.cli.flags import DistillFlags, parsed, suited, with_method
from tutelage.cli.values import grouped
from tutelage.errors import UserError
from tutelage.names import shown
from tutelage.run import builtin
from tutelage.run.recipe import Recipe


def distill(arguments: list[str]) -> None:
    """Teacher, cache, baseline and students on paired seeds, evaluation, export, report."""
    from tutelage.study.watch import Watch

    watch, arguments = Watch(), with_methods(arguments)
    flags = fitting.fitted(parsed(DistillFlags, "distill", arguments), arguments)
    from tutelage.study.folds import CrossValidation
    from tutelage.study.jobs import Jobs
    from tutelage.study.stages import with_staged_teacher
    from tutelage.study.study import Study
    from tutelage.study.work import prepare, train_teachers
    from tutelage.training import preflight, rehearsal

    if flags.fit_in:
        flags = suited(flags, arguments)
    if flags.stages:
        rehearsal.rehearse(flags.recipe, workspace=flags.workspace)
        flags = dataclasses.replace(flags, recipe=with_staged_teacher(flags.recipe, flags.stages, flags.workspace))
    recipes = rows(flags, of_photos=builtin.is_short_for_photos(arguments[0]))
    study = Study(recipes, flags.seeds, flags.name, fitting.room_of(flags))
    folded = CrossValidation(study.rows, flags.folds, flags.repeats) if flags.folds else None
    if folded is not None:
        folded.check()
    if study.is_done(flags.workspace) and folded is None and not flags.force:
        progress.say("all of this study was done before; its results, as they were written:")
        show(study.folder(flags.runs))
        return
    rehearsal.rehearse(*recipes, workspace=flags.workspace)
    jobs = Jobs(flags.jobs, flags.on, flags.gpu)
    prepare(study.every, flags.workspace, jobs)
    with tracking.following(flags.log, folders(flags.workspace, study.every)):
        with watch.noting_a_stop(study.folder(flags.runs)):
            train_teachers(recipes, flags.workspace, watch)
            preflight.before_training(recipes[-1], flags.workspace)
            if folded is not None:
                folded.run(flags.workspace, study.folder(flags.runs), watch, jobs)
        outcome = study.run(flags.workspace, watch=watch, force=flags.force, jobs=jobs)
    if outcome is not None:
        show(outcome.folder)


def with_methods(arguments: list[str]) -> list[str]:
    """What was typed, with `RECIPE kd,dkd`, as `tune` has it, as `RECIPE --methods kd dkd`.

    Raises:
        UserError: something typed would have no effect: a method beside --methods, or a number of one.
    """
    second = arguments[1] if len(arguments) > 1 and not arguments[1].startswith("-") else ""
    flags = dict(grouped(arguments[1:]))
    if "--methods" in flags and second:
        raise UserError(
            f"{shown(second)} and --methods both name methods", "name all of them in one place: RECIPE kd,dkd"
        )
    if "--methods" in flags and not flags["--methods"]:
        raise UserError("--methods has no value behind it", "write names of tutelage list methods: --methods kd dkd")
    number = next((flag for flag in flags if flag.startswith("--method.")), "")
    if number and ("," in second or "--methods" in flags):
        raise UserError(
            f"{shown(number)} would have no effect: several methods are compared at their defaults",
            "leave it out, or train one method: tutelage distill RECIPE kd --method.alpha 0.5",
        )
    if "," not in second:
        return arguments
    return [arguments[0], *arguments[2:], "--methods", *second.split(",")]


def rows(flags: DistillFlags, *, of_photos: bool) -> tuple[Recipe, ...]:
    """What the study compares with its baseline: the recipe, or it with each of several methods."""
    from tutelage.run.builtin import photos

    recipes = tuple(with_method(flags.recipe, name) for name in flags.methods) or (flags.recipe,)
    if flags.methods and of_photos:
        recipes = tuple(dataclasses.replace(recipe, method=photos.suited(recipe.method, recipe)) for recipe in recipes)
    return tuple(row for recipe in recipes for row in _with_plainer(recipe))


def _with_plainer(taught: Recipe) -> list[Recipe]:
    """A row of a study; before one with a start the same without it, before that the same without unlabelled images."""
    unstarted = dataclasses.replace(taught, start_epochs=0)
    labelled = dataclasses.replace(unstarted, data=taught.data.labelled)
    return [row for row, after in ((labelled, unstarted), (unstarted, taught)) if row != after] + [taught]
