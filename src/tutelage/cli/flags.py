"""Turns the words of a command line into a recipe: what is named comes first, then every flag changes it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from tutelage import progress
from tutelage.cli import helping
from tutelage.cli.checks import check_names, check_weights
from tutelage.cli.tracking import Tracker
from tutelage.cli.values import check_dashes, check_words, grouped
from tutelage.errors import UserError
from tutelage.methods import METHODS
from tutelage.methods.declared import declarations
from tutelage.models import Model
from tutelage.run import builtin, recipe
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.recipe import Recipe, Stage, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.study import SEEDS
from tutelage.study.search import Search

RUNS = Path("runs")
WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".bin")
OPTIONS = """write --student.options '{"widths": [32, 64]}'"""
PRETRAINED = ("timm:", "torchvision:", "hf-hub:")
"""Networks that come with weights for other classes: a new head is trained."""


@dataclass(frozen=True)
class TrainFlags:
    """Every field of the recipe, with its values as defaults; the engine; and where things are."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    engine: Engine = field(default_factory=Engine)
    runs: Path = RUNS
    """The folder of all runs, studies and teachers' answers."""
    data_root: Path | None = None
    """The folder of the data sets; else $TUTELAGE_DATA, else ~/.cache/tutelage/data."""
    log: Tracker = "none"
    """Where metrics.jsonl is copied to while it grows."""

    @property
    def workspace(self) -> Workspace:
        """Where things happen."""
        return Workspace(self.runs, self.data_root, self.engine)


@dataclass(frozen=True)
class FillFlags(TrainFlags):
    """Which part is filled; every field of the recipe; the engine; and where things are."""

    part: str = ""
    """i/n: of n parts the i-th, for the jobs of an array; empty: all. Jobs that share a folder need no parts."""
    on: str = ""
    """ray, or ray://HEAD:10001: a part on each core or GPU of that Ray cluster, whose nodes share --runs."""
    gpu: float = 1.0
    """The share of a GPU that each part on Ray asks for, where there are GPUs."""


@dataclass(frozen=True)
class DistillFlags(TrainFlags):
    """Seeds and methods of the study; every field of the recipe; the engine; and where things are."""

    seeds: tuple[int, ...] = SEEDS
    """Every recipe is trained once with each; below 3 no interval is printed."""
    methods: tuple[str, ...] = ()
    """Compare these methods at their defaults (a folder's: at what suits it) instead of the recipe's own."""
    stages: tuple[Stage, ...] = ()
    """Trains the teacher's head, last_stage, full, as far as named; the cheapest teaches that is no worse on val."""
    folds: int = 0
    """Photos: also cross-validate every row, each image but those of test validating once; 5 is usual, 0: no."""
    repeats: int = 1
    """How often the images are divided into folds anew."""
    name: str = ""
    """The name of the study's folder; empty: made from the recipe."""
    fit_in: str = ""
    """FLASH/RAM of a microcontroller, 256k/96k: the student is the largest of a ladder that fits, and exported so."""
    force: bool = False
    """Export the student also where it is no better than guessing, or worse than its baseline."""
    jobs: int = 0
    """Runs at once, each in a process of its own; 1: one after the other; 0: as many as fit cores and memory."""
    on: str = ""
    """ray, or ray://HEAD:10001: each run is a task of that Ray cluster, whose nodes share --runs; empty: here."""
    gpu: float = 1.0
    """The share of a GPU that each run on Ray asks for, where there are GPUs."""


@dataclass(frozen=True)
class TuneFlags(TrainFlags):
    """How much is searched; the closing study; every field of the recipe; the engine; and where things are."""

    search: Search = field(default_factory=Search)
    seeds: tuple[int, ...] = SEEDS
    """The closing study trains the best setting, the defaults and the baseline once with each of these."""
    beside: tuple[str, ...] = ()
    """The closing study trains these methods, too, at their defaults."""
    name: str = ""
    """The name of the folders; empty: made from the recipe."""
    force: bool = False
    """Export the student also where it is no better than guessing, or worse than its baseline."""
    jobs: int = 0
    """Runs at once, each in a process of its own; 1: one after the other; 0: as many as fit cores and memory."""
    on: str = ""
    """ray, or ray://HEAD:10001: each run is a task of that Ray cluster, whose nodes share --runs; empty: here."""
    gpu: float = 1.0
    """The share of a GPU that each run on Ray asks for, where there are GPUs."""


def parsed(kind: Any, verb: str, arguments: list[str]) -> Any:
    """The recipe named first, the method named second, and every flag over it.

    All of it is read and checked before torch is imported.
    """
    with declarations():
        flags = _read(kind, verb, arguments)
    check_weights(flags.recipe)
    with progress.working("loading PyTorch"):
        flags = dataclasses.replace(flags, recipe=Recipe.from_dict(flags.recipe.to_dict()))
    return flags if getattr(flags, "fit_in", "") else suited(flags, arguments)


def _read(kind: Any, verb: str, arguments: list[str]) -> Any:
    check_dashes(arguments)
    if arguments and arguments[0] in ("-h", "--help"):
        if arguments[1:2] != ["all"]:
            print(helping.short(verb, [], None))
            raise SystemExit(0)
        arguments = ["digits", *arguments]
    named = list(arguments[: next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))])
    if not 1 <= len(named) <= 2 or (named[0] in METHODS and not Path(named[0]).exists()):
        raise helping.misused(verb, arguments, named)
    chosen = builtin.read(named[0])
    if len(named) == 2:
        chosen = with_method(chosen, named[1])
    rest, chosen = _shortcuts(arguments[len(named) :], chosen)
    if rest[:1] in (["-h"], ["--help"]):
        if rest[1:] != ["all"]:
            print(helping.short(verb, named, kind(chosen)))
            raise SystemExit(0)
        rest = rest[:1]
    check_words(grouped(rest), kind(chosen))
    how: Any = {"config": (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff), "return_unknown_args": True}
    prog = f"tutelage {verb} {' '.join(named)}"
    try:
        flags, others = tyro.cli(kind, default=kind(chosen), args=rest, prog=prog, **how)
    except UserError as error:
        raise _with_its_flag(error, rest) from None
    if others:
        raise helping.no_flag(prog, others, kind(chosen))
    check_names(flags)
    return flags


def suited(flags: Any, arguments: list[str]) -> Any:
    """The flags with the numbers that suit the photos of a path, as far as none is written; what is set is said."""
    if not builtin.is_short_for_photos(arguments[0]):
        return flags
    from tutelage.run.builtin import photos

    recipe, lines = photos.fitted(flags.recipe, _written(arguments))
    for line in lines:
        progress.say(line)
    return dataclasses.replace(flags, recipe=recipe)


def _written(arguments: list[str]) -> set[str]:
    """The fields that flags name, as recipes call them."""
    return {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in arguments if word[:2] == "--"}


def _with_its_flag(error: UserError, arguments: list[str]) -> UserError:
    """A part of a recipe calls its fields "fit.epochs", wherever it stands: the name that was written."""
    field = error.message.partition(" = ")[0]
    written = _written(arguments)
    longer = [name for name in written if name.endswith(f".{field}")]
    if field in written or len(longer) != 1:
        return error
    return UserError(longer[0] + error.message.removeprefix(field), error.hint)


def with_method(chosen: Recipe, name: str) -> Recipe:
    """A recipe with another method at its published numbers; without its teachers where the method needs none."""
    method = recipe.method_at_defaults(name)
    if not method.needs:
        return dataclasses.replace(chosen, method=method, teacher=None, teachers=())
    return dataclasses.replace(chosen, method=method)


def with_needed_teachers(chosen: Recipe) -> Recipe:
    """A run that no teacher has a part in is the same run whatever --teacher says: it has the hash of a study's."""
    return chosen if chosen.method.needs else dataclasses.replace(chosen, teacher=None, teachers=())


def _shortcuts(arguments: list[str], chosen: Recipe) -> tuple[list[str], Recipe]:
    """What a flag of one field cannot say: --student NAME, --teacher NAME|FILE|RUN and options as JSON.

    Several --teacher make an ensemble; after them --teacher.FIELD is for every member, --teachers.1.FIELD for one.
    """
    rest: list[tuple[str, list[str]]] = []
    teachers: list[TeacherSpec] = []
    for flag, values in grouped(arguments):
        if flag == "--student":
            chosen = dataclasses.replace(
                chosen, student=dataclasses.replace(chosen.student, name=_one(flag, values), options={})
            )
        elif flag == "--teacher":
            teachers.append(_teacher(_one(flag, values), chosen, teachers))
        elif flag.endswith(".weights") and values == ["random"]:
            rest.append((flag, [""]))
        elif flag == "--force" and not values:
            rest.append((flag, ["True"]))
        else:
            rest.append((flag, values))
    if teachers:
        chosen = chosen.with_teachers(*teachers)
    words: list[str] = []
    for flag, values in rest:
        if flag.endswith(".stages"):
            values = [path for value in values for path in value.split(",")]
        for name in _for_all(flag, len(chosen.teachers)):
            if name.endswith(".options") and not name.startswith("--method"):
                chosen = _with_options(chosen, name, _json(_one(flag, values)))
            else:
                words += [name, *values]
    return words, chosen


def _one(flag: str, values: list[str]) -> str:
    if len(values) != 1 or not values[0]:
        needs = "needs a value" if not any(values) else "takes one value"
        raise UserError(f"{flag} {needs}", OPTIONS if flag.endswith(".options") else f"{flag} resnet20")
    return values[0]


def _for_all(flag: str, members: int) -> list[str]:
    """--teacher.FIELD of an ensemble, as the flags of its members."""
    if not (members and flag.startswith("--teacher.")):
        return [flag]
    return [f"--teachers.{number}.{flag.removeprefix('--teacher.')}" for number in range(members)]


def _with_options(chosen: Recipe, flag: str, options: dict[str, Any]) -> Recipe:
    """The options of one network: of --student, --teacher or --teachers.N."""

    def given(spec: TeacherSpec) -> TeacherSpec:
        return dataclasses.replace(spec, model=dataclasses.replace(spec.model, options=options))

    network, number = flag.removeprefix("--").removesuffix(".options").removesuffix(".model"), -1
    if network.startswith("teachers."):
        number = int(network.partition(".")[2])
        members = tuple(given(spec) if i == number else spec for i, spec in enumerate(chosen.teachers))
        return chosen.with_teachers(*members)
    if network == "student":
        return dataclasses.replace(chosen, student=dataclasses.replace(chosen.student, options=options))
    return dataclasses.replace(chosen, teacher=chosen.teacher and given(chosen.teacher))


def _teacher(value: str, chosen: Recipe, before: list[TeacherSpec]) -> TeacherSpec:
    """One --teacher; where the same was named before it, the next seed."""
    spec = next(iter(chosen.taught_by), TeacherSpec())
    path = Path(value)
    if not path.exists() and ":" not in value and ("/" in value or path.suffix in WEIGHTS):
        raise UserError(
            f"there is no file or run {value}", "--teacher takes a network's name, a file of weights or a run's folder"
        )
    if path.is_dir():
        model = dataclasses.replace(Run.open(path).recipe.student, weights=value)
        return dataclasses.replace(spec, model=model, tune="none")
    if path.exists() and ":" not in value:
        return dataclasses.replace(spec, model=dataclasses.replace(spec.model, weights=value), tune="none")
    if value.startswith(PRETRAINED):
        spec = dataclasses.replace(spec, model=Model(value, weights="pretrained"), tune="head")
    else:
        spec = dataclasses.replace(spec, model=Model(value), tune="full")
    while spec in before:
        spec = dataclasses.replace(spec, seed=spec.seed + 1)
    return spec


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{text!r} is not a JSON object", OPTIONS)
    return value
