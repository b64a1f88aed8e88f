"""The commands that work: each turns flags into a recipe, a run or a study, and prints what came out."""

import argparse
import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage import data, files, progress
from tutelage.cli import tracking
from tutelage.cli.flags import RUNS, DistillFlags, TrainFlags, TuneFlags, parsed, with_method, with_needed_teachers
from tutelage.data.splits import open_test
from tutelage.errors import Damaged, UserError, unknown
from tutelage.measure.classifier import measure, predict
from tutelage.measure.fidelity import right
from tutelage.measure.statistics import image_interval
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.run.record import kept
from tutelage.study.compare import comparison, groups, print_comparison
from tutelage.study.study import Study
from tutelage.study.tune import Tuning, in_words
from tutelage.teacher import lessons
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.opening import caches
from tutelage.training import preflight
from tutelage.training.predictions import evaluate_run, on_val

CACHES = "teacher-cache"

log = logging.getLogger(__name__)


def distill(arguments: list[str]) -> None:
    """Teacher, cache, baseline and students on paired seeds, evaluation, export, report."""
    flags = parsed(DistillFlags, "distill", arguments)
    recipes = tuple(with_method(flags.recipe, name) for name in flags.methods) or (flags.recipe,)
    study = Study(recipes, flags.seeds, flags.name)
    preflight.trial(*recipes, engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
    every = [dataclasses.replace(row, seed=seed) for seed in study.seeds for row in study.rows]
    with tracking.following(flags.log, _folders(flags.runs, every)):
        preflight.before_training(recipes[-1], engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
        folder = study.run(engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
    report([str(folder)])


def tune(arguments: list[str]) -> None:
    """The numbers of one or more methods searched on val; then the best on fresh seeds beside its defaults."""
    methods = arguments[1].split(",") if len(arguments) > 1 and not arguments[1].startswith("-") else []
    flags = parsed(TuneFlags, "tune", [*arguments[:1], *methods[:1], *arguments[1 + bool(methods) :]])
    recipes = (flags.recipe, *(with_method(flags.recipe, name) for name in methods[1:]))
    beside = tuple(with_method(flags.recipe, name) for name in flags.beside)
    if flags.log != "none":
        raise UserError(
            f"--log {flags.log}: the runs of a search are not known when it begins", "tutelage watch RUN shows each"
        )
    tuning = Tuning(recipes, flags.search, beside, flags.seeds, flags.name)
    where = {"engine": flags.engine, "runs": flags.runs, "data_root": flags.data_root}
    preflight.trial(*recipes, *beside, **where)
    preflight.before_training(flags.recipe, **where)
    folder = tuning.run(**where)
    if folder is not None:
        report([str(folder)])
        for line in in_words(kept(folder, "results")):
            print(line)


def train(arguments: list[str]) -> None:
    """One run; the same command goes on where it was stopped."""
    flags = parsed(TrainFlags, "train", arguments)
    recipe = with_needed_teachers(flags.recipe)
    from tutelage.training.loop import train as train_run

    was_done = _run_is_done(recipe, flags.runs)
    if not was_done:
        preflight.trial(recipe, engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
    with tracking.following(flags.log, _folders(flags.runs, [recipe])):
        run = train_run(recipe, engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
    told = evaluate_run(run, data.load(recipe.data, flags.data_root), flags.runs)
    cost = run.result("cost")
    print(f"{run.path}{' (was done already)' if was_done else ''}")
    print(f"val top-1 {told['val']['top1']:.2%}, best epoch {cost['best_val']['top1']:.2%} (not the result)")
    print(f"{progress.duration(cost['seconds'])}, {cost['images_per_second']:,.0f} images/s")


def check(arguments: list[str]) -> None:
    """The pre-flight alone."""
    flags = parsed(TrainFlags, "check", arguments)
    preflight.trial(flags.recipe, engine=flags.engine, runs=flags.runs, data_root=flags.data_root)
    preflight.before_training(flags.recipe, engine=flags.engine, runs=flags.runs, data_root=flags.data_root)


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
    told = evaluate_run(run, dataset, run.path.parent)
    told["val"]["interval"] = image_interval(right(*on_val(run, dataset)))
    if chosen.open_test is not None:
        from tutelage.training.student import load_student

        ledger = run.path.parent / "test_openings.jsonl"
        test = open_test(dataset, ledger, run=run.path.name, reason=chosen.open_test)
        logits = predict(load_student(run, dataset), test)
        told["test"] = measure(logits, test.labels) | {"interval": image_interval(right(logits, test.labels))}
    if chosen.json:
        print(json.dumps(told, indent=2))
        return
    for split in ("val", "test", "teacher"):
        if told.get(split):
            print(f"{'teacher on val' if split == 'teacher' else split}: {_in_words(told[split])}")


def report(arguments: list[str]) -> None:
    """The table of a study, and its report.html anew."""
    parser = _parser("report", "The table of a study, and its report.html anew.")
    parser.add_argument("study", type=Path)
    folder = parser.parse_args(arguments).study
    from tutelage.report import write_report
    from tutelage.report.table import print_table

    Study.open(folder)
    if not (folder / "results.json").exists():
        raise UserError(f"{folder} has no results yet", "tutelage distill with the same recipe goes on")
    page = write_report(folder)
    print_table(kept(folder, "results"), Console())
    print(f"report: {page}")


def compare(arguments: list[str]) -> None:
    """Finished runs and studies side by side on val."""
    parser = _parser("compare", "Finished runs and studies on val, paired by seed, and in what they differ.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN_OR_STUDY")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--json", action="store_true", help="as JSON")
    chosen = parser.parse_args(arguments)
    told = comparison(groups(chosen.paths), chosen.data_root)
    if chosen.json:
        print(json.dumps(told, indent=2))
    else:
        print_comparison(told, Console())


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
    root = parser.parse_args(arguments).runs / CACHES
    found = caches(root)
    if not found:
        print(f"no teacher's answers in {root}")
    for one in found:
        views = one.views()
        try:
            uses = one.uses()
        except Damaged as damaged:
            log.warning("%s; %s", damaged.message, damaged.hint)
            uses = []
        paid = len(views) * one.samples
        saved = sum(use["images"] for use in uses)
        print(
            f"{one.folder.name}  {one.manifest['teacher']['name']} on {one.manifest['data']}: {len(views)} views of "
            f"{one.samples:,} images, {progress.size(one.size_bytes)}, read by {len(uses)} runs, "
            f"teacher passes paid {paid:,}, saved {saved:,}"
        )


def _cache_fill(arguments: list[str]) -> None:
    flags = _teaching_flags("cache fill", arguments)
    dataset = data.load(flags.recipe.data, flags.data_root)
    plan = Plan(len(dataset.train), flags.recipe.views, flags.recipe.seed, flags.recipe.fit)
    device = flags.engine.fabric().device
    lesson = lessons.prepare(flags.recipe, plan, dataset, flags.runs, device)
    if not lesson.caches:
        raise UserError("this method needs a live teacher: there is nothing to fill", "tutelage list methods")
    size = progress.size(sum(one.size_bytes for one in lesson.caches))
    print(f"{', '.join(str(one.folder) for one in lesson.caches)}: {lesson.paid:,} teacher passes now, {size} in all")


def _cache_verify(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        parser = _parser("cache verify", "Compares every file with its checksum; with RECIPE asks the teacher again.")
        parser.add_argument("--runs", type=Path, default=RUNS)
        root = parser.parse_args(arguments).runs / CACHES
        for one in caches(root):
            print(f"{one.folder}: {one.check_files()} files are as written")
        if not caches(root):
            print(f"no teacher's answers in {root}")
        return
    flags = _teaching_flags("cache verify", arguments)
    dataset = data.load(flags.recipe.data, flags.data_root)
    for spec in flags.recipe.taught_by:
        member = lessons.load_member(flags.recipe, spec, dataset, flags.runs)
        one = lessons.open_cache(flags.recipe, member, dataset, flags.runs)
        files_read = one.check_files()
        if not files_read:
            raise UserError(
                f"no answers of this recipe's teacher in {flags.runs / CACHES}", "tutelage cache fill asks it"
            )
        worst = one.verify(member.network, dataset.train, flags.recipe.augment)
        print(f"{one.folder}: {files_read} files are as written")
        print(f"rows asked again differ by {worst:.1e} of the largest logit")


def _cache_prune(arguments: list[str]) -> None:
    parser = _parser("cache prune", "Removes answers that no run under --runs has read, or those named.")
    parser.add_argument("names", nargs="*", help="folders as cache list shows them")
    parser.add_argument("--all", action="store_true", help="every one of them")
    parser.add_argument("--runs", type=Path, default=RUNS)
    chosen = parser.parse_args(arguments)
    present = sorted(path for path in (chosen.runs / CACHES).glob("v*") if path.is_dir())
    for name in chosen.names:
        if name not in {path.name for path in present}:
            raise UserError(f"there is no {name} in {chosen.runs / CACHES}", "tutelage cache list shows their names")
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


def _teaching_flags(verb: str, arguments: list[str]) -> TrainFlags:
    """Those of a command that asks a teacher, which must be there."""
    flags = parsed(TrainFlags, verb, arguments)
    if not flags.recipe.taught_by:
        raise UserError("this recipe has no teacher", "choose one whose method needs a teacher")
    for own in flags.recipe.of_teachers:
        if not Run.at(own, flags.runs).done:
            raise UserError(f"the teacher {own.student.name} is not trained yet", "tutelage check RECIPE trains it")
    return flags


def _run_is_done(recipe: Recipe, runs: Path) -> bool:
    """Whether nothing is left to be trained: a damaged run is trained again where it is."""
    run = Run.at(recipe, runs)
    try:
        return run.done and run.damage() is None
    except Damaged:
        return False


def _folders(runs: Path, wanted: list[Recipe]) -> list[Path]:
    """Of these recipes' runs, their teachers' first."""
    teachers = [own for one in wanted for own in one.of_teachers]
    return list(dict.fromkeys(Run.at(one, runs).path for one in [*teachers, *wanted]))


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(f"tutelage {verb}", description=description)


def _in_words(measured: dict[str, Any]) -> str:
    low, high = measured.get("interval", (None, None))
    within = "" if low is None else f" ({low:.2%} to {high:.2%} over the images)"
    words = [f"top-1 {measured['top1']:.2%}{within}", f"NLL {measured['nll']:.3f}", f"ECE {measured['ece']:.3f}"]
    if "agreement" in measured:
        words += [f"agreement with the teacher {measured['agreement']:.2%}", f"KL {measured['kl_to_teacher']:.3f}"]
    return ", ".join(words) + f" ({measured['images']:,} images)"
