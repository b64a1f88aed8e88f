"""Runs `tutelage cache`: teachers' answers on disk, listed, filled, verified and pruned."""

import logging
from pathlib import Path
from typing import Any

from tutelage import files
from tutelage.cli.flags import RUNS, FillFlags, TrainFlags, parsed
from tutelage.cli.parser import Parser
from tutelage.errors import Damaged, UserError, unknown
from tutelage.names import shown
from tutelage.run.folder import Run
from tutelage.run.workspace import Workspace

log = logging.getLogger(__name__)


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
    parser = Parser("tutelage cache list", description="Every teacher's answers under --runs.")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="default: runs")
    root = Workspace(parser.parse_args(arguments).runs).caches
    from tutelage import progress
    from tutelage.teacher.cachefiles import caches

    found = caches(root)
    if not found:
        print(shown(f"no teacher's answers in {root}"))
    for cache in found:
        views = cache.views()
        try:
            uses = cache.uses()
        except Damaged as damaged:
            log.warning("%s; %s", damaged.message, damaged.hint)
            uses = []
        saved = sum(use["images"] for use in uses)
        asked_about = cache.manifest.get("data", "images of a loop of your own")
        named = shown(f"{cache.folder.name}  {cache.manifest['teacher']['name']} on {asked_about}")
        print(
            f"{named}: {progress.counted(len(views), 'view')} of {progress.counted(cache.samples, 'image')}, "
            f"{progress.size(cache.size_bytes)}, read by {progress.counted(len(uses), 'run')}, "
            f"teacher passes paid {cache.paid:,}, saved {saved:,}"
        )


def _cache_fill(arguments: list[str]) -> None:
    flags = _teaching_flags("cache fill", arguments, FillFlags)
    part = _part_of(flags.part)
    from tutelage import progress
    from tutelage.study import filling
    from tutelage.study.jobs import Jobs
    from tutelage.training.launch import fill

    if flags.on:
        paid, folders, size = filling.on_nodes(flags.recipe, flags.workspace, Jobs(0, flags.on, flags.gpu))
    else:
        paid, folders, size = fill(flags.recipe, flags.workspace, part)
    if not folders:
        raise UserError("this method needs a live teacher: there is nothing to fill", "tutelage list methods")
    print(f"{', '.join(folders)}: {paid:,} teacher passes now, {progress.size(size)} in all")


def _cache_verify(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        parser = Parser(
            "tutelage cache verify",
            description="Compares every file with its checksum; with RECIPE asks the teacher again.",
        )
        parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="default: runs")
        root = Workspace(parser.parse_args(arguments).runs).caches
        from tutelage.teacher.cachefiles import caches

        for cache in caches(root):
            print(f"{cache.folder}: {cache.check()} files are as written")
        if not caches(root):
            print(f"no teacher's answers in {root}")
        return
    flags = _teaching_flags("cache verify", arguments)
    from tutelage import data
    from tutelage.teacher import lessons
    from tutelage.teacher.crossfit import answered_by
    from tutelage.teacher.members import load_member
    from tutelage.teacher.paired import one_view_each

    dataset = data.load(flags.recipe.data, flags.data_root)
    for recipe, spec in [
        (taught, spec) for taught in one_view_each(flags.recipe, dataset.train) for spec in taught.taught_by
    ]:
        member, about = load_member(recipe, spec, dataset, flags.workspace), answered_by(recipe, spec, dataset)
        cache = lessons.open_cache(recipe, member, about, flags.workspace)
        files_read = cache.files.check()
        if not files_read:
            raise UserError(
                f"no answers of this recipe's teacher in {flags.workspace.caches}", "tutelage cache fill asks it"
            )
        worst = cache.verify(member.network, about.train, recipe.augment)
        print(f"{cache.folder}: {files_read} files are as written")
        print(f"rows asked again differ by {worst:.1e} of the largest logit")


def _cache_prune(arguments: list[str]) -> None:
    parser = Parser(
        "tutelage cache prune", description="Removes answers that no run under --runs has read, or those named."
    )
    parser.add_argument("names", nargs="*", help="folders as cache list shows them")
    parser.add_argument("--all", action="store_true", help="every one of them")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="default: runs")
    chosen = parser.parse_args(arguments)
    root = Workspace(chosen.runs).caches
    present = sorted(path for path in root.glob("v*") if path.is_dir())
    for name in chosen.names:
        if name not in {path.name for path in present}:
            raise UserError(f"there is no {name} in {root}", "tutelage cache list shows their names")
    from tutelage import progress

    removed = 0
    for folder in present:
        named = folder.name in chosen.names
        if chosen.all or named or (not chosen.names and not _read_by_a_run(folder, chosen.runs)):
            freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            files.remove_folder(folder)
            removed += 1
            print(f"removed {folder} ({progress.size(freed)})")
    if not removed:
        choice = (
            "runs have read all answers there; name one to remove it, or --all" if present else "no answers are there"
        )
        print(shown(f"nothing to remove in {root}: {choice}"))


def _read_by_a_run(folder: Path, runs: Path) -> bool:
    from tutelage.teacher.cachefiles import CacheFiles

    try:
        return any((runs / use["run"]).exists() for use in CacheFiles.open(folder).uses())
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
            raise UserError(
                f"the teacher {own.student.name} is not trained yet",
                "tutelage check with the same recipe and flags trains it",
            )
    return flags


def _part_of(text: str) -> tuple[int, int] | None:
    """The numbers of "2/4"; None of an empty text.

    Raises:
        UserError: it is something else.
    """
    part, _, parts = text.partition("/")
    if not text:
        return None
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UserError(f"--part {text} is not the i-th of n parts", "write --part 1/4, 2/4, 3/4 and 4/4")
    return int(part), int(parts)
