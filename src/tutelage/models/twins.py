"""Knows networks that cannot be told apart by their weights: same names and shapes, other padding or BatchNorm eps.

timm keeps many architectures twice, as PyTorch and as TensorFlow compute them ("tf_"): weights of one load into the
other without an error and lose points of accuracy without a word (EfficientNet-lite0: seven on ImageNet).
"""

from pathlib import Path

import torch

from tutelage.models import Model
from tutelage.models.checkpoints import metadata

PREFIX = "tf_"
SOURCE = "timm:"


def made_for(model: Model) -> str:
    """The network, as recipes name it, that a file of weights says it was made for; empty: it does not say."""
    if not Path(model.weights or "-").is_file():
        return ""
    name = metadata(model.weights).get("timm_name", "")
    if name and name == bare(model.name):
        return model.name
    return name and SOURCE + name


def twins(model: Model, *, classes: int) -> tuple[str, ...]:
    """Other networks of timm that a file of weights fits as well, as recipes name them; none without such a file.

    Built without memory, on the meta device.
    """
    name = bare(model.name)
    twin = name.removeprefix(PREFIX) if name.startswith(PREFIX) else PREFIX + name
    if not (model.name.startswith(SOURCE) and Path(model.weights or "-").is_file()):
        return ()
    import timm

    if not timm.is_model(twin):
        return ()
    with torch.device("meta"):
        shapes = [
            {key: tuple(tensor.shape) for key, tensor in timm.create_model(n, num_classes=classes).state_dict().items()}
            for n in (name, twin)
        ]
    return (SOURCE + twin,) if shapes[0] == shapes[1] else ()


def bare(name: str) -> str:
    """timm's name of the architecture: without source and without the tag of its weights."""
    return name.rpartition(":")[2].partition(".")[0]
