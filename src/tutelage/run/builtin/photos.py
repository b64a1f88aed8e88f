"""Holds the recipe that a path of images is short for; its numbers follow from how many there are and what is trained.

`photos` names the networks and the method. `fitted` counts the images and sets, by `rules`, every number that was not
written down by the user. docs/results/small_photos.md is where the rules' numbers were measured.
"""

import dataclasses
from collections.abc import Collection
from functools import partial
from typing import Any, NamedTuple

from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods.base import Method
from tutelage.methods.finding import find_method, method_label
from tutelage.models import Model
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec

STEPS = 200
"""Steps that are enough for a pretrained student, where that many epochs are not too many ..."""
EPOCHS = (6, 15)
"""... and not too few."""


class Counted(NamedTuple):
    """What the rules look at of the training images."""

    images: int
    classes: int
    fewest: int
    """Images of the class that has fewest."""


class Rule(NamedTuple):
    """Values of a recipe's fields, by their flag's name, and why they suit."""

    values: dict[str, Any]
    reason: str


def photos(path: str) -> Recipe:
    """A mobile network taught by a pretrained one whose head is trained first, before any image is counted.

    Its numbers are those of a student from random weights and of many images. The gradient is clipped: kd's first
    losses are several times those of labels, and such a network may not recover from such steps (docs/log.md).
    """
    return Recipe(
        data=Data(path),
        student=Model("timm:mobilenetv3_small_050"),
        teacher=TeacherSpec(
            Model("timm:resnet50", weights="pretrained"),
            tune="head",
            fit=Fit(epochs=10, batch_size=64, learning_rate=0.01, weight_decay=1e-4),
        ),
        method=find_method("kd")(),
        augment=Augment(crop_padding=0, crop_scale=0.35, jitter=0.2),
        fit=Fit(epochs=60, batch_size=32, learning_rate=0.05, weight_decay=1e-4, clip_norm=1.0),
    )


def fitted(recipe: Recipe, written: Collection[str] = ()) -> tuple[Recipe, list[str]]:
    """A recipe with the numbers that suit its images and what is trained; and a line for every rule, with its reason.

    Args:
        recipe: Of a path of images.
        written: Fields that keep their value, as flags name them ("fit.epochs").

    Raises:
        UserError: the images cannot be read or split.
    """
    counted = count(recipe.data)
    lines = [
        f"{counted.images:,} training images of {counted.classes} classes, {counted.fewest:,} of the smallest; "
        "set by that (a flag that you write is kept):"
    ]
    for rule in (weights_rule, partial(fit_rule, written=written), method_rule, teacher_rule):
        values, reason = rule(recipe, counted)
        changed = {field: value for field, value in values.items() if field not in written}
        for field, value in changed.items():
            recipe = replaced(recipe, field.split("."), value)
        if changed:
            lines.append(f"  {' '.join(f'--{field} {_shown(value)}' for field, value in changed.items())}: {reason}")
    return recipe, lines


def count(data: Data) -> Counted:
    """The training images of a path; none is decoded.

    Raises:
        UserError: they cannot be read or split.
    """
    from tutelage.data import photos as folder

    indexed = folder.sound(data)
    train = folder.pieces(indexed, data).train
    labels = folder.labels_of(indexed.sound, indexed.classes)[train[: data.part or len(train)]]
    of_class = labels.bincount(minlength=len(indexed.classes))
    return Counted(len(labels), len(of_class), int(of_class.min()))


def weights_rule(recipe: Recipe, counted: Counted) -> Rule:
    """A student starts from pretrained weights where its network has them."""
    from tutelage.models.external import has_weights

    if recipe.student.weights or recipe.student.init != "random" or not has_weights(recipe.student.name):
        return Rule({}, "")
    return Rule(
        {"student.weights": "pretrained"},
        "photos like these teach a network less than it knows already; --student.weights random starts from nothing",
    )


def fit_rule(recipe: Recipe, counted: Counted, written: Collection[str] = ()) -> Rule:
    """How a student is trained: gently and not for long where it is pretrained; all of it by AdamW, a part by SGD.

    A learning rate that is written alone is SGD's: AdamW's are a hundred times smaller.
    """
    batch = min(32, counted.images)
    if not recipe.student.weights:
        return Rule({"fit.batch_size": batch}, "from random weights; these numbers are for thousands of photos")
    epochs = min(max(round(STEPS * batch / counted.images), EPOCHS[0]), EPOCHS[1])
    by_adamw = recipe.fit.optimizer == "adamw" if "fit.optimizer" in written else "fit.learning_rate" not in written
    how: dict[str, Any] = {"fit.learning_rate": 0.01}
    if recipe.tune == "full" and by_adamw:
        how = {"fit.optimizer": "adamw", "fit.learning_rate": 0.00025, "fit.weight_decay": 0.01}
    return Rule(
        {"norms": "frozen", "fit.batch_size": batch, "fit.epochs": epochs} | how | {"views": 8},
        f"pretrained, so about {STEPS} short steps; BatchNorm's statistics stay, which so few steps cannot learn anew",
    )


def method_rule(recipe: Recipe, counted: Counted) -> Rule:
    """The numbers of kd: its published ones are made for long training from random weights."""
    if method_label(recipe.method) != "kd" or not recipe.student.weights:
        return Rule({}, "")
    return Rule(
        {"method.temperature": 2.0, "method.alpha": 0.5},
        "gentler than kd's own; a pretrained student may still be better alone (1.8 points at 20 photos a class): the "
        "study shows both, and says so",
    )


def teacher_rule(recipe: Recipe, counted: Counted) -> Rule:
    """A batch of the teacher's is no larger than what there is."""
    if recipe.teacher is None or recipe.teacher.tune == "none" or counted.images >= recipe.teacher.fit.batch_size:
        return Rule({}, "")
    return Rule({"teacher.fit.batch_size": counted.images}, "there are no more images")


def suited(method: Method, recipe: Recipe) -> Method:
    """A method at the numbers that suit what a recipe trains where these were measured, else at its own."""
    values = method_rule(dataclasses.replace(recipe, method=method), Counted(0, 0, 0)).values
    return dataclasses.replace(method, **{field.removeprefix("method."): value for field, value in values.items()})


def replaced(record: Any, path: list[str], value: Any) -> Any:
    """A record with another value in one field, or in a field of a field."""
    first, *rest = path
    return dataclasses.replace(record, **{first: replaced(getattr(record, first), rest, value) if rest else value})


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
