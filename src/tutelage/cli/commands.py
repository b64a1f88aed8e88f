"""Runs the commands that train and measure: each turns flags into a recipe, a run or a study, and prints the result."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage import data, files, progress
from tutelage.cli import fitting, sharing, tracking
from tutelage.cli.flags import (
    RUNS,
    FillFlags,
    TrainFlags,
    TuneFlags,
    parsed,
    part_of,
    with_method,
    with_needed_teachers,
)
from tutelage.cli.taking import add_taking, check_taking
from tutelage.data.test_split import open_test
from tutelage.errors import Damaged, UserError, unknown
from tutelage.export.modelcard import keep_test
from tutelage.measure.classifier import measure, predict
from tutelage.measure.fidelity import right
from tutelage.measure.measures import MEASURES, Measured, sentence
from tutelage.measure.statistics import image_interval
from tutelage.names import shown
from tutelage.report import results, search
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.run.workspace import Workspace
from tutelage.study import filling
from tutelage.study.study import Study
from tutelage.study.tune import Tuning
from tutelage.study.watch import Watch
from tutelage.study.work import Jobs, is_done, train_teachers
from tutelage.teacher import lessons
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.members import load_member
from tutelage.teacher.opening import caches
from tutelage.teacher.paired import one_view_each
from tutelage.training import preflight
from tutelage.training.launch import fill
from tutelage.training.predictions import evaluate_run, on_val

log = logging.getLogger(__name__)


def tune(arguments: list[str]) -> None:
    """The numbers of one or more methods searched on val; then the best on fresh seeds beside its defaults."""
    watch = Watch()
    methods = arguments[1].split(",") if len(arguments) > 1 and not arguments[1].startswith("-") else []
    flags = parsed(TuneFlags, "tune", [*arguments[:1], *methods[:1], *arguments[1 + bool(methods) :]])
    recipes = (flags.recipe, *(with_method(flags.recipe, name) for name in methods[1:]))
    beside = tuple(with_method(flags.recipe, name) for name in flags.beside)
    if flags.log != "none":
        raise UserError(
            f"--log {flags.log}: the runs of a search are not known when it begins", "tutelage watch RUN shows each"
        )
    tuning = Tuning(recipes, flags.search, beside, flags.seeds, flags.name)
    preflight.rehearse(*recipes, *beside, workspace=flags.workspace)
    with watch.noting_a_stop(flags.runs / tuning.folder_name):
        train_teachers(recipes, flags.workspace, watch)
        preflight.before_training(flags.recipe, flags.workspace)
    outcome = tuning.run(flags.workspace, watch=watch, force=flags.force, jobs=Jobs(flags.jobs, flags.on, flags.gpu))
    if outcome is not None:
        report([str(outcome.folder)])
        for line in search.in_words(outcome.results):
            print(line)


def train(arguments: list[str]) -> None:
    """One run; the same command goes on where it was stopped."""
    flags = parsed(TrainFlags, "train", arguments)
    recipe = with_needed_teachers(flags.recipe)
    from tutelage.training.loop import train as train_run

    was_done = is_done(recipe, flags.workspace)
    if not was_done:
        preflight.rehearse(recipe, workspace=flags.workspace)
    with tracking.following(flags.log, folders(flags.workspace, [recipe])):
        run = train_run(recipe, flags.workspace)
    if sharing.rank():
        return
    evaluation = evaluate_run(run, data.load(recipe.data, flags.data_root))
    cost = run.result("cost")
    print(shown(f"{run.path}{' (was done already)' if was_done else ''}"))
    print(f"val top-1 {evaluation['val']['top1']:.2%}, best epoch {cost['best_val']['top1']:.2%} (not the result)")
    print(f"{progress.duration(cost['seconds'])}, {cost['images_per_second']:,.0f} images/s")


def check(arguments: list[str]) -> None:
    """The pre-flight alone."""
    flags = parsed(TrainFlags, "check", arguments)
    preflight.rehearse(flags.recipe, workspace=flags.workspace)
    preflight.before_training(flags.recipe, flags.workspace)
    fitting.say_what_it_takes(flags.recipe, flags.workspace)


def evaluate(arguments: list[str]) -> None:
    """A finished run on val; with --open-test also on test, on the record."""
    parser = _parser("evaluate", "A finished run's accuracy, calibration and agreement with its teacher.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--open-test", metavar="REASON", help="also open the test split; recorded with this reason")
    parser.add_argument("--json", action="store_true", help="as JSON")
    chosen = parser.parse_args(arguments)
    run = Run.open(chosen.run)
    dataset = data.load(run.recipe.data, chosen.data_root)
    evaluation = evaluate_run(run, dataset)
    measured: dict[str, Measured] = {"val": evaluation["val"]}
    intervals = {"val": image_interval(right(*on_val(run, dataset)))}
    if chosen.open_test is not None:
        from tutelage.training.student import load_student

        test = open_test(dataset, Workspace(run.path.parent).test_openings, run=run.path.name, reason=chosen.open_test)
        logits = predict(load_student(run, dataset), test)
        measured["test"] = measure(logits, test.labels)
        intervals["test"] = image_interval(right(logits, test.labels))
        keep_test(run, measured["test"])
    teacher = evaluation["teacher"]
    if chosen.json:
        splits = {split: {**of_split, "interval": intervals[split]} for split, of_split in measured.items()}
        print(json.dumps({"teacher": teacher} | splits, indent=2))
        return
    for split, of_split in measured.items():
        low, high = (MEASURES["top1"].text(end) for end in intervals[split])
        print(f"{split}: {sentence(of_split)}; top-1 {low} to {high} (95 % interval over the images)")
    if teacher:
        print(f"teacher on val: {sentence(teacher)}")


def report(arguments: list[str]) -> None:
    """The table of a study, and its report.html anew."""
    parser = _parser("report", "The table of a study, and its report.html anew.")
    parser.add_argument("study", type=Path)
    add_taking(parser)
    chosen = parser.parse_args(arguments)
    check_taking(chosen)
    folder = chosen.study
    from tutelage.report import records, write_report
    from tutelage.report.table import print_table
    from tutelage.report.takeaway import take

    Study.open(folder)
    if chosen.to:
        take(records.of_study(results.read(folder)), chosen.to, chosen.output)
        return
    page = write_report(folder)
    print_table(results.read(folder), Console())
    print(shown(f"report: {page}"))


def cache(arguments: list[str]) -> None:
    """Teachers' answers on disk: list, fill, verify, prune."""
    verbs = {"list": _cache_list, "fill": _cache_fill, "verify": _cache_verify, "prune": _cache_prune}
    if arguments and arguments[0] in ("-h", "--help"):
        print("usage: tutelage cache list|fill|verify|prune ...\n")
        print("Teachers' answers on disk. Each of the four has a --help of its own.")
        return
    if not arguments:
        raise UserError("usage: tutelage cache list|fill|verify|prune", "list shows what there is, fill asks a teacher")
    if arguments[0] not in verbs:
        raise unknown("cache command", arguments[0], verbs)
    verbs[arguments[0]](arguments[1:])


def _cache_list(arguments: list[str]) -> None:
    parser = _parser("cache list", "Every teacher's answers under --runs.")
    parser.add_argument("--runs", type=Path, default=RUNS)
    root = Workspace(parser.parse_args(arguments).runs).caches
    found = caches(root)
    if not found:
        print(shown(f"no teacher's answers in {root}"))
    for one in found:
        views = one.views()
        try:
            uses = one.uses()
        except Damaged as damaged:
            log.warning("%s; %s", damaged.message, damaged.hint)
            uses = []
        paid = len(views) * one.samples
        saved = sum(use["images"] for use in uses)
        of = one.manifest.get("data", "images of a loop of your own")
        named = shown(f"{one.folder.name}  {one.manifest['teacher']['name']} on {of}")
        print(
            f"{named}: {len(views)} views of {one.samples:,} images, {progress.size(one.size_bytes)}, "
            f"read by {len(uses)} runs, teacher passes paid {paid:,}, saved {saved:,}"
        )


def _cache_fill(arguments: list[str]) -> None:
    flags = _teaching_flags("cache fill", arguments, FillFlags)
    if flags.on:
        paid, folders, size = filling.on_nodes(flags.recipe, flags.workspace, Jobs(0, flags.on, flags.gpu))
    else:
        paid, folders, size = fill(flags.recipe, flags.workspace, part_of(flags.part))
    if not folders:
        raise UserError("this method needs a live teacher: there is nothing to fill", "tutelage list methods")
    print(f"{', '.join(folders)}: {paid:,} teacher passes now, {progress.size(size)} in all")


def _cache_verify(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        parser = _parser("cache verify", "Compares every file with its checksum; with RECIPE asks the teacher again.")
        parser.add_argument("--runs", type=Path, default=RUNS)
        root = Workspace(parser.parse_args(arguments).runs).caches
        for one in caches(root):
            print(f"{one.folder}: {one.check_files()} files are as written")
        if not caches(root):
            print(f"no teacher's answers in {root}")
        return
    flags = _teaching_flags("cache verify", arguments)
    dataset = data.load(flags.recipe.data, flags.data_root)
    every = one_view_each(flags.recipe, dataset.train)
    for recipe, spec in [(one, spec) for one in every for spec in one.taught_by]:
        member = load_member(recipe, spec, dataset, flags.workspace)
        one = lessons.open_cache(recipe, member, dataset, flags.workspace)
        files_read = one.check_files()
        if not files_read:
            raise UserError(
                f"no answers of this recipe's teacher in {flags.workspace.caches}", "tutelage cache fill asks it"
            )
        worst = one.verify(member.network, dataset.train, recipe.augment)
        print(f"{one.folder}: {files_read} files are as written")
        print(f"rows asked again differ by {worst:.1e} of the largest logit")


def _cache_prune(arguments: list[str]) -> None:
    parser = _parser("cache prune", "Removes answers that no run under --runs has read, or those named.")
    parser.add_argument("names", nargs="*", help="folders as cache list shows them")
    parser.add_argument("--all", action="store_true", help="every one of them")
    parser.add_argument("--runs", type=Path, default=RUNS)
    chosen = parser.parse_args(arguments)
    root = Workspace(chosen.runs).caches
    present = sorted(path for path in root.glob("v*") if path.is_dir())
    for name in chosen.names:
        if name not in {path.name for path in present}:
            raise UserError(f"there is no {name} in {root}", "tutelage cache list shows their names")
    for folder in present:
        named = folder.name in chosen.names
        if chosen.all or named or (not chosen.names and not _read_by_a_run(folder, chosen.runs)):
            freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            files.remove_folder(folder)
            print(f"removed {folder} ({progress.size(freed)})")


def _read_by_a_run(folder: Path, runs: Path) -> bool:
    try:
        return any((runs / use["run"]).exists() for use in TeacherCache.open(folder).uses())
    except Damaged:
        return True  # who has read it is not known: it stays until it is named
    except UserError:
        return False


def _teaching_flags(verb: str, arguments: list[str], kind: Any = TrainFlags) -> Any:
    """Those of a command that asks a teacher, which must be there."""
    flags = parsed(kind, verb, arguments)
    if not flags.recipe.taught_by:
        raise UserError("this recipe has no teacher", "choose one whose method needs a teacher")
    for own in flags.recipe.of_teachers:
        if not Run(flags.workspace.folder(own)).done:
            raise UserError(f"the teacher {own.student.name} is not trained yet", "tutelage check RECIPE trains it")
    return flags


def folders(workspace: Workspace, wanted: list[Recipe]) -> list[Path]:
    """The folders of these recipes' runs, their teachers' first."""
    teachers = [own for one in wanted for own in one.of_teachers]
    return list(dict.fromkeys(workspace.folder(one) for one in [*teachers, *wanted]))


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(f"tutelage {verb}", description=description)
