"""Says how large the networks of other libraries are, without their weights and without memory for them."""

from typing import NamedTuple

import torch

from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.models.count import macs, parameters
from tutelage.models.external import from_timm, from_torchvision
from tutelage.models.libraries import library

SOURCES = {"timm": from_timm, "torchvision": from_torchvision}
CLASSES, PIXELS = 1000, 224


class Sized(NamedTuple):
    """One network of another library."""

    name: str
    """As recipes name it."""
    parameters: int
    """At 1000 classes; 0: it cannot be built without memory."""
    macs: int
    """Multiply-accumulates of one image."""
    pixels: int
    """Side of that image: what its pretrained weights see, else 224."""
    stages: tuple[str, ...]


def matching(text: str) -> list[str]:
    """Names of timm and torchvision that contain a text, the shortest first."""
    names = [f"{source}:{name}" for source in SOURCES for name in library(source).names]
    return sorted((name for name in names if text.lower() in name.lower()), key=lambda name: (len(name), name))


def sized(name: str) -> Sized | None:
    """A network built on the meta device and run there once; None for one that is no classifier."""
    source, _, bare = name.partition(":")
    try:
        with torch.device("meta"):
            network = SOURCES[source](Model(name), bare, classes=CLASSES, channels=3)
            pixels = getattr(network.module, "pretrained_cfg", {}).get("input_size", (3, PIXELS))[-1]
            count = macs(network.module, (1, 3, pixels, pixels))
    except (RuntimeError, NotImplementedError, AssertionError):  # some compute with values while they are built
        return Sized(name, 0, 0, PIXELS, ())
    except UserError:
        return None
    return Sized(name, parameters(network.module), count, pixels, network.stages)
