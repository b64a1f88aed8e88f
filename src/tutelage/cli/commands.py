"""Runs the commands that train and measure: each turns flags into a recipe, a run or a study, and prints the result.

What was typed is read and checked before a function imports what takes seconds: torch, and all that needs it.
"""

import json
import shlex
from pathlib import Path

from tutelage.cli import fitting, sharing, tracking
from tutelage.cli.checks import check_methods
from tutelage.cli.flags import (
    TrainFlags,
    TuneFlags,
    parsed,
    with_method,
    with_needed_teachers,
)
from tutelage.cli.parser import Parser
from tutelage.cli.taking import add_taking, check_taking
from tutelage.errors import UserError
from tutelage.names import shown
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe
from tutelage.run.record import check_study
from tutelage.run.workspace import Workspace
from tutelage.shares import percent


def tune(arguments: list[str]) -> None:
    """The numbers of one or more methods searched on val; then the best on fresh seeds beside its defaults."""
    from tutelage.study.watch import Watch

    watch = Watch()
    named = len(arguments) > 1 and not any(word.startswith("-") for word in arguments[:2])
    methods = arguments[1].split(",") if named else []
    check_methods(methods)
    flags = parsed(TuneFlags, "tune", [*arguments[:1], *methods[:1], *arguments[1 + bool(methods) :]])
    from tutelage.report import search
    from tutelage.study.jobs import Jobs
    from tutelage.study.tune import Tuning
    from tutelage.study.work import train_teachers
    from tutelage.training import preflight, rehearsal

    recipes = (flags.recipe, *(with_method(flags.recipe, name) for name in methods[1:]))
    beside = tuple(with_method(flags.recipe, name) for name in flags.beside)
    if flags.log != "none":
        raise UserError(
            f"--log {flags.log}: the runs of a search are not known when it begins", "tutelage watch RUN shows each"
        )
    tuning = Tuning(recipes, flags.search, beside, flags.seeds, flags.name)
    rehearsal.rehearse(*recipes, *beside, workspace=flags.workspace)
    with watch.noting_a_stop(flags.runs / tuning.folder_name):
        train_teachers(recipes, flags.workspace, watch)
        preflight.before_training(flags.recipe, flags.workspace)
    outcome = tuning.run(flags.workspace, watch=watch, force=flags.force, jobs=Jobs(flags.jobs, flags.on, flags.gpu))
    if outcome is not None:
        show(outcome.folder)
        for line in search.in_words(outcome.results):
            print(line)


def train(arguments: list[str]) -> None:
    """One run; the same command goes on where it was stopped."""
    flags = parsed(TrainFlags, "train", arguments)
    from tutelage import data, progress
    from tutelage.study.work import is_done
    from tutelage.training.concerns import of_numbers
    from tutelage.training.loop import train as train_run
    from tutelage.training.predictions import evaluate_run
    from tutelage.training.rehearsal import rehearse

    recipe = with_needed_teachers(flags.recipe)
    was_done = is_done(recipe, flags.workspace)
    if not was_done:
        rehearse(recipe, workspace=flags.workspace)
        for text in of_numbers(recipe, len(data.load(recipe.data, flags.data_root).classes)):
            progress.say(f"warning: {text}")
    with tracking.following(flags.log, folders(flags.workspace, [recipe])):
        run = train_run(recipe, flags.workspace)
    if sharing.rank():
        return
    evaluation = evaluate_run(run, data.load(recipe.data, flags.data_root))
    cost = run.result("cost")
    print(shown(f"{run.path}{' (was done already)' if was_done else ''}"))
    last, best = evaluation["val"]["top1"], cost["best_val"]
    print(
        f"val top-1 {percent(last, 2)}; after epoch {best['epoch']}, the best, {percent(best['top1'], 2)} "
        "(not the result)"
    )
    print(f"{progress.duration(cost['seconds'])}, {cost['images_per_second']:,.0f} images/s")


def check(arguments: list[str]) -> None:
    """The pre-flight alone."""
    flags = parsed(TrainFlags, "check", arguments)
    from tutelage.training import preflight, rehearsal

    rehearsal.rehearse(flags.recipe, workspace=flags.workspace)
    preflight.before_training(flags.recipe, flags.workspace)
    fitting.say_what_it_takes(flags.recipe, flags.workspace)


def evaluate(arguments: list[str]) -> None:
    """A finished run on val; with --open-test also on test, on the record."""
    parser = Parser(
        "tutelage evaluate", description="A finished run's accuracy, calibration and agreement with its teacher."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="its folder, runs/NAME")
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where data sets are; else $TUTELAGE_DATA")
    parser.add_argument("--open-test", metavar="REASON", help="also open the test split; recorded with this reason")
    parser.add_argument("--json", action="store_true", help="as JSON")
    chosen = parser.parse_args(arguments)
    run = Run.open(chosen.run)
    from tutelage import data
    from tutelage.measure.fidelity import right
    from tutelage.measure.measures import MEASURES, sentence
    from tutelage.measure.statistics import image_interval
    from tutelage.training.predictions import evaluate_run, on_val

    dataset = data.load(run.recipe.data, chosen.data_root)
    evaluation = evaluate_run(run, dataset)
    measured = {"val": evaluation["val"]}
    intervals = {"val": image_interval(right(*on_val(run, dataset)))}
    if chosen.open_test is not None:
        from tutelage.data.test_split import open_test
        from tutelage.export.modelcard import keep_test
        from tutelage.measure.classifier import measure, predict
        from tutelage.training.student import load_student

        if changes := run.changes():
            raise UserError(
                f"{changes}: a test would not be one of this run", "give back what it was trained with, or train anew"
            )
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
    parser = Parser("tutelage report", description="The table of a study, and its report.html anew.")
    parser.add_argument("study", type=Path, metavar="STUDY", help="its folder, runs/study-NAME")
    add_taking(parser)
    chosen = parser.parse_args(arguments)
    check_taking(chosen)
    folder = chosen.study
    check_study(folder)
    from tutelage import progress
    from tutelage.methods.declared import declarations
    from tutelage.report import records, results, write_report
    from tutelage.report.takeaway import take
    from tutelage.study.study import Study

    with declarations():
        Study.open(folder)
    if chosen.to:
        take(records.of_study(results.read(folder)), chosen.to, chosen.output, chosen.columns or ())
        return
    with progress.working("drawing the report"):
        write_report(folder)
    show(folder)


def show(folder: Path) -> None:
    """The table of a study whose report is written, where that lies, and how the exported student is asked."""
    from rich.console import Console

    from tutelage.report import FILE, results
    from tutelage.report.table import print_table

    found = results.read(folder)
    print_table(found, Console())
    print(shown(f"report: {folder / FILE}"))
    if (onnx := found["export"]["onnx"]) is not None:
        file = folder.parent / found["export"]["run"] / onnx["file"]
        print(shown(f"to use it: tutelage predict {shlex.quote(str(file))} PICTURE"))


def compare(arguments: list[str]) -> None:
    """Finished runs and studies side by side on val."""
    parser = Parser(
        "tutelage compare", description="Finished runs and studies on val, paired by seed, and in what they differ."
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN_OR_STUDY")
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where data sets are; else $TUTELAGE_DATA")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    add_taking(parser)
    chosen = parser.parse_args(arguments)
    check_taking(chosen)
    for path in chosen.paths:
        if not (path / "study.json").is_file():
            Run.open(path)
    from rich.console import Console

    from tutelage.cli.comparison import print_comparison
    from tutelage.report.takeaway import take
    from tutelage.study.compare import comparison, groups, records

    compared = comparison(groups(chosen.paths), chosen.data_root)
    if chosen.to:
        take(records(compared), chosen.to, chosen.output, chosen.columns or ())
    elif chosen.json:
        print(json.dumps(compared, indent=2))
    else:
        print_comparison(compared, Console())


def folders(workspace: Workspace, wanted: list[Recipe]) -> list[Path]:
    """The folders of these recipes' runs, their teachers' first."""
    teachers = [own for recipe in wanted for own in recipe.of_teachers]
    return list(dict.fromkeys(workspace.folder(recipe) for recipe in [*teachers, *wanted]))
