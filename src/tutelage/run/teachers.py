"""Says who teaches, and refuses teachers that cannot teach together."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tutelage.errors import UserError
from tutelage.methods.finding import method_words, temperatures
from tutelage.models import Model
from tutelage.run.optim import Fit

if TYPE_CHECKING:
    from tutelage.run.recipe import Recipe


Tune = Literal["none", "head", "last_stage", "full"]
Norms = Literal["trained", "frozen"]


@dataclass(frozen=True)
class TeacherSpec:
    """Who teaches: a network with its weights, or one that is trained first."""

    model: Model = field(default_factory=lambda: Model("resnet56"))
    """The network; `weights` may also name a run's folder."""
    tune: Tune = "none"
    """What of it is trained before it teaches: none (the weights as they are), the head, the last stage, or all."""
    norms: Norms = "trained"
    """Where `tune` is not none, what BatchNorm normalises by, as for a student."""
    fit: Fit = field(default_factory=Fit)
    """How, where `tune` is not none."""
    seed: int = 0
    """The seed of the teacher's own training."""
    folds: int = 0
    """K, 2 or more: K such networks, each trained without one K-th of the images, which it then answers; 0: one."""
    held_back: tuple[int, ...] = ()
    """PART K: trained without part PART of K of the images, from 0, as each of such networks is; none: on all."""
    live: bool = False
    """Ask the teacher itself at every step, even where its cached answers would do."""
    storage: Literal["float16", "float32", "int8"] = "float16"
    """The number format in which its answers are stored; int8: 8 bits a logit, and a scale for each image."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the passes whose answers are stored, whatever engine.precision is; bf16 and fp16 are for GPUs that are faster
    so, and refused where the answers are too far from fp32's."""

    @property
    def which(self) -> str:
        """What tells it from others like it."""
        if not self.held_back:
            return f"seed {self.seed}"
        part, folds = self.held_back
        return f"trained without fold {part} of {folds}"


def check(recipe: "Recipe") -> None:
    """Raises UserError where the teachers of a recipe cannot answer together."""
    if recipe.teachers:
        _check_ensemble(recipe)
    if recipe.teacher is not None:
        _check_folds(recipe)


def _check_ensemble(recipe: "Recipe") -> None:
    teachers = recipe.teachers
    if recipe.teacher is not None or len(teachers) == 1:
        raise UserError(
            "one teacher is written as teacher, several as teachers; this recipe has "
            f"{'both' if recipe.teacher is not None else 'a list of one'}",
            "write [teacher] for one, [[teachers]] once for each of several",
        )
    if any(spec in teachers[:i] for i, spec in enumerate(teachers)):
        raise UserError("the same teacher twice in one ensemble", "give each another network, weights or seed")
    if any(spec.folds or spec.held_back for spec in teachers):
        raise UserError(
            "teachers.folds: a member of an ensemble answers every image, also those that it was trained on",
            "write one [teacher] with its folds, or leave them out",
        )
    _refuse_what_has_no_mean(recipe, "an ensemble")
    read_at = temperatures(recipe.method)
    if len(read_at) > 1:
        raise UserError(
            f"{method_words(recipe.method)} reads the teachers at T = {' and '.join(f'{t:g}' for t in read_at)}: "
            "an ensemble is averaged at one temperature",
            "give its parts the same temperature, or give one teacher",
        )


def _check_folds(recipe: "Recipe") -> None:
    spec = recipe.teacher
    assert spec is not None
    if not spec.folds and not spec.held_back:
        return
    if spec.folds and (spec.folds < 2 or spec.held_back):
        beside = f" beside teacher.held_back = {list(spec.held_back)}" if spec.held_back else ""
        raise UserError(
            f"teacher.folds = {spec.folds}{beside}, expected 2 networks or more, each with a part of its own held back",
            "write teacher.folds = 5 alone; 0 trains one network",
        )
    if spec.tune == "none":
        raise UserError(
            f"teacher.{'folds' if spec.folds else 'held_back'} with teacher.tune = none: which images its weights have "
            "seen is not known",
            'train it here: teacher.tune = "full" (or "head"), and teacher.fit says how long',
        )
    if not spec.folds:
        return
    if recipe.data.held_back:
        raise UserError(
            f"teacher.folds with data.held_back = {list(recipe.data.held_back)}: its folds would be those of all "
            "images, and not of what is left",
            "leave out one of the two; data.part uses fewer images",
        )
    if recipe.augment.mix != "none":
        raise UserError(
            f"teacher.folds with augment.mix = {recipe.augment.mix}: of two images that are mixed no teacher would "
            "have seen neither",
            'set augment.mix = "none", or leave out teacher.folds',
        )
    _refuse_what_has_no_mean(recipe, "a teacher of several folds")


def _refuse_what_has_no_mean(recipe: "Recipe", who: str) -> None:
    alone = sorted(recipe.method.needs - {"logits"})
    if alone:
        raise UserError(
            f"{method_words(recipe.method)} reads the teacher's {' and '.join(alone)}, of which {who} has none",
            "give one teacher, or choose a method that reads logits alone (tutelage list methods)",
        )
