"""The networks: MODELS is the only list of ours; `timm:NAME`, `torchvision:NAME` and `FILE.py:function` name others.

`build(model, ...)` makes any of them ready for pixels. Nothing here imports torch before it is called.
"""

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tutelage.models.building import build as build


@dataclass(frozen=True)
class Model:
    """One network: which, with which weights, and how it wants its pixels."""

    name: str = "resnet20"
    """A name of `tutelage list models`, `timm:NAME`, `torchvision:NAME`, or `my_net.py:make_net`."""
    weights: str = ""
    """Empty: random; "pretrained": from the library's hub; else a .safetensors or .pth file."""
    size: int = 0
    """Side in pixels to which the network resizes its input; 0: as the images come."""
    mean: tuple[float, ...] = ()
    """Per channel, pixels in [0, 1]; empty: the pretrained weights' own, else the data set's."""
    std: tuple[float, ...] = ()
    """Per channel; empty: as for mean."""
    stages: tuple[str, ...] = ()
    """Module paths of the feature stages, shallow to deep; empty: the network's own."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the network's function, e.g. {"widths": [32, 64]} for convnet."""


class Row(NamedTuple):
    """One line of `tutelage list models`."""

    module: str
    """The file, whose function of the row's name is called with `classes` and `channels`."""
    summary: str
    paper: str
    year: int
    million: float
    """Parameters in millions at 100 classes and 3 channels, to two decimals, as papers print it."""
    head: str
    """Module path of the final linear layer; the embedding is its input."""
    stages: tuple[str, ...]
    """Module paths whose outputs are the features, shallow to deep."""
    mean: tuple[float, ...] = ()
    """The network's own normalisation of pixels in [0, 1], where it has one."""
    std: tuple[float, ...] = ()


_THREE = ("layer1", "layer2", "layer3")
_HE = "He, Zhang, Ren & Sun, arXiv:1512.03385"

MODELS: dict[str, Row] = {
    "convnet": Row(
        "convnet",
        "four convolutions, no norms",
        "LeCun et al., 10.1109/5.726791",
        1998,
        0.27,
        "fc2",
        ("block1", "block2"),
    ),
    "resnet8": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.08, "linear", _THREE),
    "resnet14": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.18, "linear", _THREE),
    "resnet20": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.28, "linear", _THREE),
    "resnet32": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.47, "linear", _THREE),
    "resnet44": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.66, "linear", _THREE),
    "resnet56": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 0.86, "linear", _THREE),
    "resnet110": Row("resnet_cifar", "16-32-64 wide, parameter-free shortcuts", _HE, 2015, 1.73, "linear", _THREE),
}


def __getattr__(name: str) -> Any:
    if name == "build":
        return importlib.import_module("tutelage.models.building").build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
