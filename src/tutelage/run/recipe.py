"""Defines the recipe, one training run in full: the same recipe gives the same numbers.

A recipe is a tree of frozen dataclasses. `Recipe.to_dict` and `from_dict` are its JSON and TOML form; `identity` is
what its hash is made of: files by their content, not by their path.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tutelage import files, sealed
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.errors import UserError
from tutelage.methods.base import Method, leaves
from tutelage.methods.finding import find_method, method_label, method_words
from tutelage.methods.finding import method_at_defaults as method_at_defaults
from tutelage.models import Model
from tutelage.run import named_files, plain_values, teachers, toml
from tutelage.run.optim import Fit
from tutelage.run.parsing import as_plain, parsed, without_defaults
from tutelage.run.plain_values import shown
from tutelage.run.teachers import Norms
from tutelage.run.teachers import TeacherSpec as TeacherSpec

SCHEMA = 1
"""The version of the file form; a recipe with another number is refused."""

Stage = Literal["head", "last_stage", "full"]


@dataclass(frozen=True)
class Recipe:
    """One training run in full."""

    data: Data = field(default_factory=Data)
    student: Model = field(default_factory=lambda: Model("resnet8"))
    teacher: TeacherSpec | None = None
    teachers: tuple[TeacherSpec, ...] = ()
    """Several in place of one: an ensemble, whose probabilities are averaged at the method's temperature."""
    method: Method = field(default_factory=lambda: find_method("baseline")())
    augment: Augment = field(default_factory=Augment)
    fit: Fit = field(default_factory=Fit)
    tune: Stage = "full"
    """What of the student is trained."""
    norms: Norms = "trained"
    """What BatchNorm normalises by: each batch's statistics, which are learnt, or (frozen) those of its weights."""
    views: int = 8
    """Augmented views that exist of every image, used in turn; 0: a new one every epoch."""
    second_view: bool = False
    """Show every image of a batch in a second, stronger view too: other draws, and half the side painted over."""
    start_epochs: int = 0
    """Epochs in which the student learns the (first) teacher's embeddings and no label, before everything else."""
    seed: int = 0
    """Initial weights, order, first view, dropout. Not the views themselves: those are augment.seed's."""

    def __post_init__(self) -> None:
        for name, none in (("views", "a new one every epoch"), ("start_epochs", "no start")):
            if (number := getattr(self, name)) < 0:
                raise UserError(f"{name} = {number}", f"{name} must be at least 1, or 0 for {none}")
        if self.start_epochs and not self.taught_by:
            raise UserError(
                f"start_epochs = {self.start_epochs} without a teacher",
                "name the teacher whose embeddings the student learns in them",
            )
        if self.method.needs and not self.taught_by:
            raise UserError(f"method {method_words(self.method)} needs a teacher", "set teacher.model.name")
        teachers.check(self)
        if self.data.unlabeled and not (self.method.needs and self.method.mixable):
            raise UserError(
                f"{method_words(self.method)} needs the label of every image: data.unlabeled has no meaning for it",
                "leave it out (a study's baseline does so by itself), or choose a method such as kd",
            )
        if self.student.init != "random" and self.student.weights:
            raise UserError(
                f'student.init = "{self.student.init}" would be lost: student.weights = "{self.student.weights}" '
                "replace all initial weights",
                'leave student.init at "random", or student.weights empty',
            )
        if self.fit.accumulate > 1 and (why := self.method.claims.couples_batch or self.data.unlabeled):
            raise UserError(
                f"fit.accumulate = {self.fit.accumulate}: {method_words(self.method)} needs the whole batch at once "
                f"({why if self.method.claims.couples_batch else 'its parts would have unequally many labels'})",
                "leave it out, lower fit.batch_size, or train on several devices (engine.devices)",
            )
        if self.second_view and (self.augment.mix != "none" or self.fit.accumulate > 1):
            field = "augment.mix" if self.augment.mix != "none" else "fit.accumulate"
            raise UserError(
                f"second_view shows every image twice as it is, in one batch: {field} has no meaning for it",
                f"leave out {field}, or set second_view = false",
            )
        if self.augment.mix != "none" and not self.method.mixable:
            refusing = next(part for part in leaves(self.method) if not part.mixable)
            raise UserError(
                f"{method_label(refusing)} singles out one true class: augment.mix = {self.augment.mix} "
                "has no meaning for it",
                'set augment.mix = "none", or choose a method such as kd',
            )

    def to_dict(self) -> dict[str, Any]:
        """Every field, defaults included, as JSON values."""
        return {"schema": SCHEMA} | as_plain(self)

    @staticmethod
    def from_dict(plain: Any) -> "Recipe":
        """The recipe of `to_dict`, or of a part of it: what is absent has its default.

        Raises:
            UserError: a field that does not exist, or a value of another type.
        """
        if not isinstance(plain, dict):
            raise UserError(f"a recipe is a table of fields, not {shown(plain)}", "tutelage recipe NAME prints one")
        plain_values.check(plain)
        plain = dict(plain)
        schema = plain.pop("schema", SCHEMA)
        if type(schema) is not int or schema != SCHEMA:
            newer = isinstance(schema, int) and schema > SCHEMA
            raise UserError(
                f"recipe of schema {shown(schema)}; this version reads schema {SCHEMA}",
                "a newer tutelage has written it: update this one" if newer else f"write schema = {SCHEMA}",
            )
        return parsed(Recipe, plain, "")

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two recipes the same run: their values, with files replaced by their content.

        Fields at their default are left out, so that a field added later renames no run; a default that changes
        raises `SCHEMA`.
        """
        plain: dict[str, Any] = {"schema": SCHEMA} | without_defaults(self)
        plain["data"] = self.data.identity
        if self.teacher is not None:
            plain["teacher"] = _as_it_teaches(self.teacher)
        if self.teachers:
            plain["teachers"] = [_as_it_teaches(spec) for spec in self.teachers]
        teachers = [plain["teacher"]] if self.teacher is not None else plain.get("teachers", [])
        for spec in (plain["student"], *(teacher["model"] for teacher in teachers), plain["method"]):
            if spec.get("weights", "pretrained") != "pretrained":
                spec["weights"] = files.file_digest(named_files.weights_file(spec["weights"]))
        return named_files.with_sources(plain)

    @property
    def name(self) -> str:
        """The run's folder: readable, and ending in the recipe's hash."""
        words = [self.data.title, method_words(self.method), self.student.name, f"s{self.seed}"]
        return f"{readable(*words)}-{self.hash}"

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits that name its run: of what it is, not of where its files are."""
        return files.digest(self.identity)[:8]

    @property
    def as_baseline(self) -> "Recipe":
        """The same student, budget, images (that have a label) and seed without a teacher."""
        method = find_method("baseline")()
        return dataclasses.replace(
            self, data=self.data.labelled, teacher=None, teachers=(), method=method, start_epochs=0
        )

    @property
    def taught_by(self) -> tuple[TeacherSpec, ...]:
        """The teacher or those that it consists of, the members of the ensemble, or nobody."""
        if self.teacher is None:
            return self.teachers
        parts = [(part, self.teacher.folds) for part in range(self.teacher.folds)]
        return tuple(dataclasses.replace(self.teacher, folds=0, held_back=part) for part in parts) or (self.teacher,)

    @property
    def cross_fitted(self) -> int:
        """K, where each image is answered by that one of K networks that was trained without it; else 0."""
        return self.teacher.folds if self.teacher is not None else 0

    def with_teachers(self, *teachers: TeacherSpec) -> "Recipe":
        """The same run taught by others: none, one, or an ensemble."""
        only = teachers[0] if len(teachers) == 1 else None
        return dataclasses.replace(self, teacher=only, teachers=() if only else teachers)

    @property
    def of_teachers(self) -> tuple["Recipe", ...]:
        """The runs that train its teachers, of those that have to be trained."""
        return tuple(own for spec in self.taught_by if (own := self.training_of(spec)) is not None)

    @property
    def of_start(self) -> "Recipe | None":
        """The run in which the student learns embeddings before this one; None where it starts from its weights.

        The whole student learns which images the teacher finds alike (pkt without its term of labels): that needs no
        label, and no embedding as wide as the teacher's.
        """
        if not self.start_epochs:
            return None
        fit = dataclasses.replace(self.fit, epochs=self.start_epochs, accumulate=1)
        pkt: Any = find_method("pkt")
        method = pkt(label_weight=0.0)
        start = dataclasses.replace(self, start_epochs=0, method=method, fit=fit, tune="full", second_view=False)
        first = self.taught_by[0] if self.teacher is None else dataclasses.replace(self.teacher, folds=0)
        return start.with_teachers(first)

    def training_of(self, spec: TeacherSpec) -> "Recipe | None":
        """The run that trains one of its teachers; None where its weights teach as they are."""
        if spec.tune == "none":
            return None
        return Recipe(
            data=dataclasses.replace(self.data.labelled, held_back=spec.held_back or self.data.held_back),
            student=spec.model,
            augment=dataclasses.replace(self.augment, mix="none"),
            fit=spec.fit,
            tune=spec.tune,
            norms=spec.norms,
            views=self.views,
            seed=spec.seed,
        )


def readable(*words: str) -> str:
    """Words as one name of a folder; of what is a path its last part.

    >>> readable("photos", "kd", "nets/own.py:make", "s0")
    'photos-kd-own.py_make-s0'
    """
    return "-".join(one_name(Path(word).name) for word in words)


def one_name(text: str) -> str:
    """Text as the name of one file or folder, on any system."""
    return text.translate(str.maketrans(":/\\", "___"))


def from_file(path: Path, seen_from: Path | None = None) -> Recipe:
    """The recipe in a TOML or JSON file.

    Args:
        path: The file.
        seen_from: The folder from which the relative paths in it were right; looked at where they are not right here.

    Raises:
        UserError: no such file, not TOML or JSON, or not a recipe; a run's recipe.json that was changed.
    """
    if not path.exists():
        raise UserError(f"there is no recipe file {path}", "tutelage recipe NAME > my_recipe.toml writes one")
    plain = plain_values.read(path)
    if isinstance(plain, dict) and path.suffix.lower() == ".json":
        plain = sealed.unsealed(plain, str(path))
    try:
        return Recipe.from_dict(plain if seen_from is None else named_files.seen_from(seen_from, plain))
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.hint) from None


def to_toml(recipe: Recipe) -> str:
    """A recipe as TOML, one table for each part."""
    return toml.written(recipe.to_dict())


def _as_it_teaches(spec: TeacherSpec) -> dict[str, Any]:
    """What of a teacher makes another run: how it would be trained does not, where it is not."""
    plain = without_defaults(spec)
    if spec.tune == "none":
        plain.pop("seed", None)
        plain.pop("norms", None)
        plain["fit"] = {}
    return plain
