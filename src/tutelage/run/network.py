"""Builds the network of a recipe for a data set, and refuses one whose classes are not those of the data."""

import dataclasses
import json
from pathlib import Path

import torch

from tutelage import sealed
from tutelage.data.splits import DataSet
from tutelage.errors import UserError
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.models.tap import Tapped
from tutelage.models.whiten import whiten
from tutelage.run.named_files import weights_file

WHITENED_BY = 1_000_000
"""Pixels of training images, spread evenly over them, from whose patches `student.init = "whiten"` takes its axes."""


def known_classes(model: Model, network: Tapped) -> tuple[str, ...]:
    """The names of a network's classes in its order: in the weights' metadata or the card beside them; else empty."""
    names = network.metadata.get("classes", "")
    card = Path(model.weights or "-").with_name("card.json")
    if not names and card.is_file():
        return tuple(sealed.read_json(card).get("classes", ()))
    if names.startswith("["):
        return tuple(json.loads(names))
    return tuple(name.strip() for name in names.split(",") if name.strip())


def check_order(model: Model, network: Tapped, dataset: DataSet) -> None:
    """Refuses a network that knows the data set's classes under other numbers.

    Raises:
        UserError: names the first class that differs.
    """
    known = known_classes(model, network)
    if known == dataset.classes or sorted(known) != sorted(dataset.classes):
        return
    first = next(i for i, (ours, theirs) in enumerate(zip(known, dataset.classes, strict=True)) if ours != theirs)
    raise UserError(
        f"{model.name} has the classes of {dataset.name} in another order: class {first} is "
        f'"{known[first]}" to it and "{dataset.classes[first]}" in the data',
        'train its head anew for this order (teacher.tune = "head"), or put the data\'s classes in its order',
    )


def build_for(model: Model, dataset: DataSet, seed: int, *, learns: bool = False) -> Tapped:
    """A network for the images of a data set.

    Args:
        model: What the recipe says.
        dataset: Its images and classes.
        seed: Of the initial weights.
        learns: It is going to be trained: a final layer of its weights for other classes may start anew.

    Raises:
        UserError: it cannot be built, or answers with another number of classes.
    """
    channels, height, _ = dataset.train.shape
    if Path(model.weights or "-").is_dir():
        model = dataclasses.replace(model, weights=str(weights_file(model.weights)))
    spec = DataSpec(len(dataset.classes), channels, height, dataset.mean, dataset.std)
    network = build(model, spec, seed=seed, replace_head=learns)
    if learns and model.init == "whiten":
        count = min(max(WHITENED_BY // network.size**2, 1), len(dataset.train))
        whiten(network, dataset.train.plain(torch.linspace(0, len(dataset.train) - 1, count).long()))
    try:
        classes = network.sizes().classes
    except UserError as error:
        raise UserError(f"{model.name}: {error.message}", error.hint) from None
    except Exception as error:  # a network of the user's own may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{model.name} fails on images of {channels} x {network.size} x {network.size}: {reason}",
            "let it resize them (model.size), or choose a network for images of this size; a network of your own may "
            f"take `channels` as an argument, which is {channels} here",
        ) from error
    if classes == 1 and len(dataset.classes) == 2:
        raise UserError(
            f"{model.name} answers with one number where {dataset.name} has 2 classes: that is a sigmoid's",
            "let it answer with two: torch.cat([-z, z], 1) / 2, z being that number before the sigmoid",
        )
    if classes != len(dataset.classes):
        raise UserError(
            f"{model.name} answers with {classes} classes, {dataset.name} has {len(dataset.classes)}",
            "a network of your own takes `classes` as an argument; weights for other classes need their head replaced",
        )
    return network
