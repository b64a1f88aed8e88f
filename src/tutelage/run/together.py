"""Refuses teachers that cannot teach together: an ensemble, or networks each trained without a part of the images."""

from typing import TYPE_CHECKING

from tutelage.errors import UserError
from tutelage.methods.finding import method_words, temperatures

if TYPE_CHECKING:
    from tutelage.run.recipe import Recipe


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
    if any(spec.folds for spec in teachers):
        raise UserError(
            "teachers.folds: a member of an ensemble answers every image, also those that it was trained on",
            "write one [teacher] with its folds, or leave them out",
        )
    _refuse_what_has_no_mean(recipe, "an ensemble")
    at = temperatures(recipe.method)
    if len(at) > 1:
        raise UserError(
            f"{method_words(recipe.method)} reads the teachers at T = {' and '.join(f'{t:g}' for t in at)}: "
            "an ensemble is averaged at one temperature",
            "give its parts the same temperature, or give one teacher",
        )


def _check_folds(recipe: "Recipe") -> None:
    spec = recipe.teacher
    assert spec is not None
    if not spec.folds:
        return
    if spec.folds < 2:
        raise UserError(f"teacher.folds = {spec.folds}, expected 2 networks or more", "5 is usual; 0 trains one on all")
    if spec.tune == "none":
        raise UserError(
            "teacher.folds with teacher.tune = none: which images its weights have seen is not known",
            'train it here: teacher.tune = "full" (or "head"), and teacher.fit says how long',
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
