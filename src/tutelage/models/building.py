"""From a recipe's description of a network to the network, ready for pixels."""

import importlib
import inspect
from typing import Any

from tutelage.errors import unknown
from tutelage.models import MODELS, Model
from tutelage.models.tap import Tapped
from tutelage.models.weights import load_weights
from tutelage.rng import seeded


def build(
    model: Model,
    *,
    classes: int,
    channels: int,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    seed: int = 0,
) -> Tapped:
    """The network of a recipe: initial weights by `seed` alone, then the file's, if one is named.

    Args:
        model: What the recipe says.
        classes: Of the data set.
        channels: Of its images.
        size: Side of its images in pixels; `model.size` goes first.
        mean: Of the data set, per channel, pixels in [0, 1]. The model's own goes first, then that of its weights,
            then the network's own.
        std: Likewise.
        seed: Of the initial weights.

    Raises:
        UserError: unknown name or option, weights that do not fit, a module path that does not exist.
    """
    if model.name not in MODELS:
        raise unknown("model", model.name, MODELS, "tutelage list models")
    row = MODELS[model.name]
    function = getattr(importlib.import_module(f"tutelage.models.{row.module}"), model.name)
    with seeded(seed, "initial weights"):
        network = _call(function, model, classes=classes, channels=channels)
    metadata = load_weights(network, model.weights) if model.weights else {}
    return Tapped(
        network,
        mean=model.mean or _numbers(metadata.get("mean", ""), channels) or row.mean[:1] * channels or mean,
        std=model.std or _numbers(metadata.get("std", ""), channels) or row.std[:1] * channels or std,
        size=model.size or size,
        head=row.head,
        stages=model.stages or row.stages,
    )


def _call(function: Any, model: Model, **given: int) -> Any:
    options = {k: v for k, v in inspect.signature(function).parameters.items() if k not in given}
    for name in model.options:
        if name not in options:
            raise unknown(f"option of {model.name}", name, options)
    return function(**given, **model.options)


def _numbers(text: str, channels: int) -> tuple[float, ...]:
    numbers = tuple(float(word) for word in text.split(",")) if text else ()
    return numbers * channels if len(numbers) == 1 else numbers
