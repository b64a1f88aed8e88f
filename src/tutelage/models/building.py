"""Builds the network that a recipe describes, ready for pixels."""

import importlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from tutelage.errors import UserError
from tutelage.models import MODELS, DataSpec, Model
from tutelage.models.external import (
    Network,
    call,
    from_file,
    from_timm,
    from_torchvision,
    is_at_hand,
    last_linear,
    made_by,
)
from tutelage.models.known import CLASSES
from tutelage.models.libraries import check_name
from tutelage.models.tap import Preparation, Tapped
from tutelage.models.twins import bare
from tutelage.models.weights import check_fit, load_weights
from tutelage.rng import seeded

log = logging.getLogger("tutelage")


def build(model: Model, data: DataSpec, *, seed: int = 0, replace_head: bool = False) -> Tapped:
    """The network of a recipe: initial weights by `seed` alone, then those it names.

    Mean and std are, in this order: the model's own fields, what the weights file says of itself, what the source of
    the network says of its pretrained weights (if any weights are named), the network's own (pixels 0..255, say), the
    data set's.

    Args:
        model: What the recipe says.
        data: The classes and the images that it is for.
        seed: Of the initial weights.
        replace_head: A final layer for another number of classes starts from zeros; False: that is an error.

    Raises:
        UserError: unknown name or option, weights that cannot be had or do not fit, a module path that does not exist.
    """
    with seeded(seed, "initial weights"):
        network = _make(model, data.classes, data.channels)
    if network.classes not in (0, data.classes):
        if not replace_head:
            raise UserError(
                f"the pretrained weights of {model.name} know {network.classes} classes, not {data.classes}",
                "the final layer has to be trained for these classes; the rest of the weights can stay",
            )
        for parameter in network.module.get_submodule(network.head).parameters():
            nn.init.zeros_(parameter)
    metadata: dict[str, str] = {}
    if model.weights not in ("", "pretrained"):
        metadata = load_weights(network.module, model.weights, head=network.head, replace_head=replace_head)
    made_for = metadata.get("timm_name", "")
    if made_for and made_for != bare(model.name):
        log.warning("%s was made for %s, not %s: names fit, numbers may not", model.weights, made_for, model.name)
    # What the source says of its pretrained weights is no concern of random ones.
    known = network if model.weights or model.name in MODELS else Network(network.module, network.head)
    tapped = Tapped(
        network.module,
        Preparation(
            mean=model.mean or _numbers(metadata.get("mean", ""), data.channels) or known.mean or data.mean,
            std=model.std or _numbers(metadata.get("std", ""), data.channels) or known.std or data.std,
            size=model.size or data.size,
            interpolation=metadata.get("interpolation", "") or known.interpolation,
        ),
        head=network.head,
        stages=model.stages or network.stages,
        metadata=metadata,
    )
    tapped.made_by = made_by(model)
    return tapped


def check_file(model: Model, channels: int) -> None:
    """Refuses a local file of weights for another network, before anything slow is done; built without memory.

    Networks of a user's own and of the hub are left to `build`.

    Args:
        model: What the recipe says.
        channels: Of the images.

    Raises:
        UserError: names the known network that the weights fit, with the flags to write.
    """
    if not Path(model.weights or "-").is_file() or ".py:" in model.name or model.name.startswith("hf-hub:"):
        return
    try:
        with torch.device("meta"):
            network = _make(replace(model, weights=""), CLASSES, channels)
    except NotImplementedError:  # it computes its widths with tensors
        return
    check_fit(network.module, model.weights, network.head)


def fetch(models: Iterable[Model]) -> None:
    """Fetches pretrained weights that this machine does not have, before anything slow is done.

    Raises:
        UserError: they cannot be fetched.
    """
    for model in models:
        if model.weights == "pretrained" and not is_at_hand(model.name):
            _make(model, CLASSES, channels=3)


def _make(model: Model, classes: int, channels: int) -> Network:
    source, _, name = model.name.partition(":")
    if source == "timm":
        return from_timm(model, name, classes=classes, channels=channels)
    if source == "hf-hub":
        return from_timm(model, model.name, classes=classes, channels=channels)
    if source == "torchvision":
        return from_torchvision(model, name, classes=classes, channels=channels)
    if model.weights == "pretrained":
        raise UserError(f"{model.name} has no pretrained weights of its own", "name a file, or a network of timm:NAME")
    if ".py:" in model.name:
        return from_file(model, classes=classes, channels=channels)
    check_name(model.name)
    row = MODELS[model.name]
    function = getattr(importlib.import_module(f"tutelage.models.{row.module}"), model.name)
    module = call(function, model, classes=classes, channels=channels)
    # Options may change how many stages there are: such a network says so itself.
    stages = getattr(module, "stages", row.stages)
    return Network(module, last_linear(module), stages, row.mean * channels, row.std * channels)


def _numbers(text: str, channels: int) -> tuple[float, ...]:
    numbers = tuple(float(word) for word in text.split(",")) if text else ()
    return numbers * channels if len(numbers) == 1 else numbers
