"""One training run in full: the same recipe gives the same numbers.

A recipe is a tree of frozen dataclasses. `Recipe.to_dict` and `from_dict` are its JSON and TOML form; `identity` is
what its hash is made of: files of weights by their content, not by their path.
"""

import dataclasses
import json
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tutelage import files, sealed, userfile
from tutelage.data import DATASETS, Data
from tutelage.data.augment import Augment
from tutelage.errors import UserError, unknown
from tutelage.methods import method_name
from tutelage.methods.base import Method
from tutelage.methods.baseline import Baseline
from tutelage.methods.finding import find_method, method_label, method_words, temperatures
from tutelage.methods.finding import method_at_defaults as method_at_defaults
from tutelage.models import Model
from tutelage.models.delivered import STUDENT, check_student
from tutelage.run import toml
from tutelage.run.optim import Fit

SCHEMA = 1
"""Of the file form; a recipe with another number is refused."""

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", tuple: "a list", dict: "a table"}
"""Types as people say them."""

Tune = Literal["none", "head", "last_stage", "full"]


@dataclass(frozen=True)
class TeacherSpec:
    """Who teaches: a network with its weights, or one that is trained first."""

    model: Model = field(default_factory=lambda: Model("resnet56"))
    """The network; `weights` may also name a run's folder."""
    tune: Tune = "none"
    """What of it is trained before it teaches: none (the weights as they are), the head, the last stage, or all."""
    fit: Fit = field(default_factory=Fit)
    """How, where `tune` is not none."""
    seed: int = 0
    """Of its own training."""
    live: bool = False
    """Ask the teacher itself at every step, even where its cached answers would do."""
    storage: Literal["float16", "float32"] = "float16"
    """Of the cached answers."""


@dataclass(frozen=True)
class Recipe:
    """One training run in full."""

    data: Data = field(default_factory=Data)
    student: Model = field(default_factory=lambda: Model("resnet8"))
    teacher: TeacherSpec | None = None
    teachers: tuple[TeacherSpec, ...] = ()
    """Several in place of one: an ensemble, whose probabilities are averaged at the method's temperature."""
    method: Method = field(default_factory=Baseline)
    augment: Augment = field(default_factory=Augment)
    fit: Fit = field(default_factory=Fit)
    tune: Literal["head", "last_stage", "full"] = "full"
    """What of the student is trained."""
    views: int = 8
    """Augmented views that exist of every image, used in turn; 0: a new one every epoch."""
    seed: int = 0
    """Initial weights, order, first view, dropout. Not the views themselves: those are augment.seed's."""

    def __post_init__(self) -> None:
        if self.views < 0:
            raise UserError(f"views = {self.views}", "views must be at least 1, or 0 for a new one every epoch")
        if self.method.needs and not self.taught_by:
            raise UserError(f"method {method_name(self.method)} needs a teacher", "set teacher.model.name")
        if self.teachers:
            self._check_ensemble()
        if self.data.unlabeled and not (self.method.needs and self.method.mixable):
            raise UserError(
                f"{method_words(self.method)} needs the label of every image: data.unlabeled has no meaning for it",
                "leave it out (a study's baseline does so by itself), or choose a method such as kd",
            )
        if self.augment.mix != "none" and not self.method.mixable:
            raise UserError(
                f"{method_name(self.method)} singles out one true class: augment.mix = {self.augment.mix} "
                "has no meaning for it",
                'set augment.mix = "none", or choose a method such as kd',
            )

    def to_dict(self) -> dict[str, Any]:
        """Every field, defaults included, as JSON values."""
        return {"schema": SCHEMA} | _plain(self)

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> "Recipe":
        """The recipe of `to_dict`, or of a part of it: what is absent has its default.

        Raises:
            UserError: a field that does not exist, or a value of another type.
        """
        plain = dict(plain)
        schema = plain.pop("schema", SCHEMA)
        if schema != SCHEMA:
            raise UserError(f"recipe of schema {schema}; this version reads schema {SCHEMA}", "write it anew")
        return _parse(Recipe, plain, "")

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two recipes the same run: their values, with files replaced by their content.

        Fields at their default are left out, so that a field added later renames no run; a default that changes
        raises `SCHEMA`.
        """
        plain: dict[str, Any] = {"schema": SCHEMA} | _without_defaults(self)
        plain["data"] = self.data.identity
        if self.teacher is not None:
            plain["teacher"] = _as_it_teaches(self.teacher)
        if self.teachers:
            plain["teachers"] = [_as_it_teaches(spec) for spec in self.teachers]
        teachers = [plain["teacher"]] if self.teacher is not None else plain.get("teachers", [])
        for spec in (plain["student"], *(teacher["model"] for teacher in teachers), plain["method"]):
            if spec.get("weights", "pretrained") != "pretrained":
                spec["weights"] = files.file_digest(weights_file(spec["weights"]))
        for spec in _dicts(plain):
            # What a file of the user's own computes, and not where it lies.
            if ".py:" in str(spec.get("name", "")):
                spec["source"] = userfile.digest(spec["name"])
                spec["name"] = PurePath(spec["name"]).name
        return plain

    @property
    def name(self) -> str:
        """The run's folder: readable, and ending in the recipe's hash."""
        words = [self.data.title, method_words(self.method), self.student.name, f"s{self.seed}"]
        readable = "-".join(Path(word).name.replace(":", "_").replace("/", "_") for word in words)
        return f"{readable}-{self.hash}"

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that name its run: of what it is, not of where its files are."""
        return files.digest(self.identity)[:8]

    @property
    def as_baseline(self) -> "Recipe":
        """The same student, budget, images (that have a label) and seed without a teacher."""
        return dataclasses.replace(self, data=self.data.labelled, teacher=None, teachers=(), method=Baseline())

    @property
    def taught_by(self) -> tuple[TeacherSpec, ...]:
        """The teacher, the members of the ensemble, or nobody."""
        return self.teachers if self.teacher is None else (self.teacher,)

    def with_teachers(self, *teachers: TeacherSpec) -> "Recipe":
        """The same run taught by others: none, one, or an ensemble."""
        one = teachers[0] if len(teachers) == 1 else None
        return dataclasses.replace(self, teacher=one, teachers=() if one else teachers)

    @property
    def of_teachers(self) -> tuple["Recipe", ...]:
        """The runs that train its teachers, of those that have to be trained."""
        return tuple(own for spec in self.taught_by if (own := self.training_of(spec)) is not None)

    def training_of(self, spec: TeacherSpec) -> "Recipe | None":
        """The run that trains one of its teachers; None where its weights teach as they are."""
        if spec.tune == "none":
            return None
        return Recipe(
            data=self.data.labelled,
            student=spec.model,
            augment=dataclasses.replace(self.augment, mix="none"),
            fit=spec.fit,
            tune=spec.tune,
            views=self.views,
            seed=spec.seed,
        )

    def _check_ensemble(self) -> None:
        method = method_words(self.method)
        if self.teacher is not None or len(self.teachers) == 1:
            raise UserError(
                "one teacher is written as teacher, several as teachers; this recipe has "
                f"{'both' if self.teacher is not None else 'a list of one'}",
                "write [teacher] for one, [[teachers]] once for each of several",
            )
        if any(spec in self.teachers[:i] for i, spec in enumerate(self.teachers)):
            raise UserError("the same teacher twice in one ensemble", "give each another network, weights or seed")
        alone = sorted(self.method.needs - {"logits"})
        if alone:
            raise UserError(
                f"{method} reads the teacher's {' and '.join(alone)}, of which an ensemble has none",
                "give one teacher, or choose a method that reads logits alone (tutelage list methods)",
            )
        at = temperatures(self.method)
        if len(at) > 1:
            raise UserError(
                f"{method} reads the teachers at T = {' and '.join(f'{t:g}' for t in at)}: "
                "an ensemble is averaged at one temperature",
                "give its parts the same temperature, or give one teacher",
            )


def from_file(path: Path, seen_from: Path | None = None) -> Recipe:
    """The recipe in a TOML or JSON file.

    Args:
        path: The file.
        seen_from: The folder from which the relative paths in it were right; looked at where they are not right here.

    Raises:
        UserError: no such file, not TOML or JSON, or not a recipe; a run's recipe.json that was changed.
    """
    if not path.is_file():
        raise UserError(f"there is no recipe file {path}", "tutelage recipe NAME > my_recipe.toml writes one")
    text = path.read_text(encoding="utf-8")
    try:
        plain = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid {path.suffix[1:].upper()}: {error}", "mend the line it names") from None
    if path.suffix == ".json" and isinstance(plain, dict):
        plain = sealed.unsealed(plain, str(path))
    try:
        return Recipe.from_dict(plain if seen_from is None else _seen_from(seen_from, plain))
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.hint) from None


def to_toml(recipe: Recipe) -> str:
    """A recipe as TOML, one table for each part."""
    return toml.written(recipe.to_dict())


def weights_file(weights: str) -> Path:
    """The file behind `Model.weights`: the file itself, or the final weights in a run's folder.

    Raises:
        UserError: there is no such file; a run's weights are damaged.
    """
    path = Path(weights)
    if path.is_dir():
        path = path / STUDENT
        if not path.is_file():
            raise UserError(f"{weights} holds no finished run (no student.safetensors)", "train it to its end first")
    if not path.is_file():
        raise UserError(f"there is no file of weights {weights}", 'give a .safetensors or .pth file, or "pretrained"')
    check_student(path)
    return path


def _seen_from(folder: Path, plain: Any, where: str = "") -> Any:
    """A recipe's JSON values, with relative paths that lead nowhere from here as they are seen from `folder`."""
    if isinstance(plain, dict):
        return {key: _seen_from(folder, value, f"{where}.{key}") for key, value in plain.items()}
    if isinstance(plain, list):
        return [_seen_from(folder, value, where) for value in plain]
    is_path = where.endswith((".weights", "data.unlabeled")) or (where == ".data.name" and plain not in DATASETS)
    if not isinstance(plain, str) or not (is_path or (where.endswith(".name") and ".py:" in plain)):
        return plain
    file, colon, name = plain.rpartition(":") if ".py:" in plain else (plain, "", "")
    there = folder / file
    return plain if Path(file).expanduser().exists() or not (file and there.exists()) else f"{there}{colon}{name}"


def _dicts(plain: Any) -> Iterator[dict[str, Any]]:
    """A JSON value's objects, each and those within it."""
    if isinstance(plain, dict):
        yield plain
    for value in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _dicts(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        name = {"name": method_label(value)} if isinstance(value, Method) else {}
        return name | {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _as_it_teaches(spec: TeacherSpec) -> dict[str, Any]:
    """What of a teacher makes another run: how it would be trained does not, where it is not."""
    plain = _without_defaults(spec)
    if spec.tune == "none":
        plain.pop("seed", None)
        plain["fit"] = {}
    return plain


def _without_defaults(record: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"name": method_label(record)} if isinstance(record, Method) else {}
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if dataclasses.is_dataclass(value):
            values[f.name] = _without_defaults(value)
        elif value != (f.default if f.default_factory is dataclasses.MISSING else f.default_factory()):
            values[f.name] = _plain(value)
    return values


def _parse(kind: Any, plain: Any, where: str) -> Any:
    """A value of the annotated type `kind` from JSON values; `where` is its address in the recipe."""
    origin = get_origin(kind)
    if hasattr(kind, "__metadata__"):
        return _parse(kind.__origin__, plain, where)
    if kind is Any or (origin is None and isinstance(kind, type) and type(plain) is kind):
        return plain
    if isinstance(kind, type) and issubclass(kind, Method):
        plain = dict(_object(plain, where))
        if "name" not in plain:
            raise UserError(f"{where} has no name", f'write name = "kd" in [{where}]')
        return _fields(find_method(plain.pop("name")), plain, where)
    if dataclasses.is_dataclass(kind):
        return _fields(kind, _object(plain, where), where)
    if origin is Literal:
        if plain not in get_args(kind):
            raise unknown(f"value of {where}:", str(plain), [str(choice) for choice in get_args(kind)])
        return plain
    if origin in (types.UnionType,):
        if plain is None:
            return None
        return _parse(next(arm for arm in get_args(kind) if arm is not type(None)), plain, where)
    if origin is tuple and isinstance(plain, list | tuple):
        return tuple(_parse(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(plain))
    if origin is dict and isinstance(plain, dict):
        return plain
    if kind is float and type(plain) is int:
        return float(plain)
    expected = WORDS.get(origin or kind, str(kind))
    raise UserError(f"{where} = {plain!r} is not {expected}", f"write {expected} for {where}")


def _fields(kind: Any, plain: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    known = [f.name for f in dataclasses.fields(kind)]
    values = {}
    for name, value in plain.items():
        if name not in known:
            raise unknown("field", f"{where}.{name}".lstrip("."), [f"{where}.{k}".lstrip(".") for k in known])
        values[name] = _parse(hints[name], value, f"{where}.{name}".lstrip("."))
    for f in dataclasses.fields(kind):
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and f.name not in values:
            raise UserError(f"{where} has no {f.name}", f"give {where}.{f.name} a value")
    return kind(**values)


def _object(plain: Any, where: str) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise UserError(f"{where} = {plain!r} is not a table", f"write [{where}] with fields under it")
    return plain
