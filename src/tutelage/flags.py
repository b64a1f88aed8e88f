"""From the words of a command line to a recipe: what is named first, then every flag over it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from tutelage import recipe, recipes
from tutelage.engine import Engine
from tutelage.errors import UserError
from tutelage.recipe import Recipe
from tutelage.study import SEEDS
from tutelage.tracking import Tracker
from tutelage.tune import Search

RUNS = Path("runs")
WEIGHTS = (".safetensors", ".pth", ".pt")


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


@dataclass(frozen=True)
class DistillFlags(TrainFlags):
    """Seeds and methods of the study; every field of the recipe; the engine; and where things are."""

    seeds: tuple[int, ...] = SEEDS
    """Every recipe is trained once with each; below 3 no interval is printed."""
    methods: tuple[str, ...] = ()
    """Compare these methods at their defaults instead of the recipe's own."""
    name: str = ""
    """Of the study's folder; empty: from the recipe."""


@dataclass(frozen=True)
class TuneFlags(TrainFlags):
    """How much is searched; the closing study; every field of the recipe; the engine; and where things are."""

    search: Search = field(default_factory=Search)
    seeds: tuple[int, ...] = SEEDS
    """Of the closing study: the best setting, the defaults and the baseline, once with each."""
    beside: tuple[str, ...] = ()
    """Further methods of the closing study, at their defaults."""
    name: str = ""
    """Of the folders; empty: from the recipe."""


def parsed(kind: Any, verb: str, arguments: list[str]) -> Any:
    """The recipe named first, the method named second, and every flag over it."""
    if arguments and arguments[0] in ("-h", "--help"):
        arguments = ["digits", "--help"]
    named = list(arguments[: next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))])
    if not 1 <= len(named) <= 2:
        raise UserError(f"usage: tutelage {verb} RECIPE [METHOD] [FLAGS]", "tutelage list recipes shows built-in ones")
    chosen = recipes.read(named[0])
    if len(named) == 2:
        chosen = with_method(chosen, named[1])
    rest, chosen = _shortcuts(arguments[len(named) :], chosen)
    settings = (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff)
    prog = f"tutelage {verb} {' '.join(named)}"
    return tyro.cli(kind, default=kind(chosen), args=rest, config=settings, prog=prog)


def with_method(chosen: Recipe, name: str) -> Recipe:
    """A recipe with another method at its published numbers; without its teacher where the method needs none."""
    method = recipe.method_at_defaults(name)
    if not method.needs:
        return dataclasses.replace(chosen, method=method, teacher=None)
    return dataclasses.replace(chosen, method=method)


def _shortcuts(arguments: list[str], chosen: Recipe) -> tuple[list[str], Recipe]:
    """--student NAME, --teacher NAME|FILE|RUN and --student.options JSON, which a flag of one field cannot say."""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("--student", "--teacher", "--student.options", "--teacher.options"):
            rest.append(word)
            continue
        value = value or next(words, "")
        if not value:
            raise UserError(f"{name} needs a value", f"{name} resnet20")
        if name == "--student":
            chosen = dataclasses.replace(chosen, student=dataclasses.replace(chosen.student, name=value, options={}))
        elif name == "--teacher":
            chosen = dataclasses.replace(chosen, teacher=_teacher(value, chosen))
        elif name == "--student.options":
            chosen = dataclasses.replace(chosen, student=dataclasses.replace(chosen.student, options=_json(value)))
        elif chosen.teacher is not None:
            model = dataclasses.replace(chosen.teacher.model, options=_json(value))
            chosen = dataclasses.replace(chosen, teacher=dataclasses.replace(chosen.teacher, model=model))
    return rest, chosen


def _teacher(value: str, chosen: Recipe) -> recipe.TeacherSpec:
    spec = chosen.teacher or recipe.TeacherSpec()
    if not Path(value).exists() and ":" not in value and ("/" in value or Path(value).suffix in WEIGHTS):
        raise UserError(
            f"there is no file or run {value}", "--teacher takes a network's name, a file of weights or a run's folder"
        )
    if Path(value).exists() and ":" not in value:
        return dataclasses.replace(spec, model=dataclasses.replace(spec.model, weights=value), tune="none")
    if value.startswith(("timm:", "torchvision:", "hf-hub:")):
        model = recipe.Model(value, weights="pretrained")
        return dataclasses.replace(spec, model=model, tune="head" if spec.tune == "none" else spec.tune)
    return dataclasses.replace(spec, model=recipe.Model(value), tune="full")


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{text!r} is not a JSON object", """write --student.options '{"widths": [32, 64]}'""")
    return value
