"""Lists our networks (MODELS is the only list); `timm:NAME`, `torchvision:NAME` and `FILE.py:function` name others.

`build(model, data)` makes any of them ready for pixels. Nothing here imports torch before it is called.
"""

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from tutelage.models.building import build as build


@dataclass(frozen=True)
class Model:
    """One network: which, with which weights, and how it wants its pixels."""

    name: str = "resnet20"
    """A name of `tutelage list models`, `timm:NAME`, `torchvision:NAME`, or `my_net.py:make_net`."""
    weights: str = ""
    """Empty: random; "pretrained": from the library's hub; else a .safetensors or .pth file."""
    init: Literal["random", "whiten"] = "random"
    """How a student begins: whiten points its first filters along the main axes of patches of training images."""
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


class DataSpec(NamedTuple):
    """What a network is built for: the classes of a data set, and what its images are like."""

    classes: int
    channels: int
    size: int
    """Side in pixels; `Model.size` goes first."""
    mean: tuple[float, ...]
    """Per channel, pixels in [0, 1]."""
    std: tuple[float, ...]
    """Per channel."""


class Row(NamedTuple):
    """One line of `tutelage list models`."""

    module: str
    """The file, whose function of the row's name is called with `classes` and `channels`."""
    summary: str
    paper: str
    year: int
    parameters: float
    """In millions, at 100 classes and 3 channels."""
    macs: float
    """Multiply-accumulates of one image of 32 x 32 pixels, in millions."""
    stages: tuple[str, ...]
    """Module paths whose outputs are the features, shallow to deep."""
    mean: tuple[float, ...] = ()
    """The network's own normalisation of pixels in [0, 1], the same for every channel, where it has one."""
    std: tuple[float, ...] = ()


_HE = "He et al., arXiv:1512.03385"
_PLAIN = "16-32-64 wide, shortcuts without parameters"
_TIMES_FOUR = "64-128-256 wide, convolutions as shortcuts"
_LAYERS = ("layer1", "layer2", "layer3")
_WRN = "Zagoruyko & Komodakis, arXiv:1605.07146"
_WIDE = "norm before convolution, few and wide layers"
_WRN_BLOCKS = ("block1", "block2", "block3")
_VGG = "Simonyan & Zisserman, arXiv:1409.1556"
_VGG_BLOCKS = ("block0", "block1", "block2", "block3", "block4")
_MOBILE_BLOCKS = ("blocks.1", "blocks.2", "blocks.4", "blocks.6")
_RAW = {"mean": (0.0,), "std": (1 / 255,)}

# fmt: off
MODELS: dict[str, Row] = {
    "convnet": Row("convnet", "two blocks of two convolutions, no norms: the tutorials' student",
                   "LeCun et al., doi:10.1109/5.726791", 1998, 0.27, 96.1, ("block1", "block2")),
    "mlperf_tiny_resnet8": Row("mlperf_tiny", "the benchmark's ResNet-8, pixels 0..255",
                               "Banbury et al., arXiv:2106.07597", 2021, 0.08, 12.5,
                               ("out.0", "out.1", "out.2"), **_RAW),
    "resnet8": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.08, 12.2, _LAYERS),
    "resnet14": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.18, 26.4, _LAYERS),
    "resnet20": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.28, 40.6, _LAYERS),
    "resnet32": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.47, 68.9, _LAYERS),
    "resnet44": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.66, 97.2, _LAYERS),
    "resnet56": Row("resnet_cifar", _PLAIN, _HE, 2015, 0.86, 125.5, _LAYERS),
    "resnet110": Row("resnet_cifar", _PLAIN, _HE, 2015, 1.73, 252.9, _LAYERS),
    "resnet8x4": Row("resnet_x4", _TIMES_FOUR, _HE, 2015, 1.23, 177.1, _LAYERS),
    "resnet32x4": Row("resnet_x4", _TIMES_FOUR, _HE, 2015, 7.43, 1083.0, _LAYERS),
    "resnet50_cifar": Row("resnet50_cifar", "bottlenecks, with a stem for 32 pixels", _HE, 2015, 23.71, 1298.0,
                          (*_LAYERS, "layer4")),
    "wrn_16_2": Row("wide_resnet", _WIDE, _WRN, 2016, 0.70, 101.1, _WRN_BLOCKS),
    "wrn_40_1": Row("wide_resnet", _WIDE, _WRN, 2016, 0.57, 83.3, _WRN_BLOCKS),
    "wrn_40_2": Row("wide_resnet", _WIDE, _WRN, 2016, 2.26, 327.6, _WRN_BLOCKS),
    "vgg8": Row("vgg", "one convolution a block, with batch norm", _VGG, 2014, 3.97, 96.2, _VGG_BLOCKS),
    "vgg13": Row("vgg", "two convolutions a block, with batch norm", _VGG, 2014, 9.46, 284.9,
                 _VGG_BLOCKS),
    "ds_cnn": Row("mobilenet_v1", "four equal blocks of depthwise and 1x1 convolutions",
                  "Zhang et al., arXiv:1711.07128", 2017, 0.03, 5.2, ("blocks.1", "blocks.3")),
    "mobilenet_v1": Row("mobilenet_v1", "depthwise and 1x1 convolutions by turns; by width 0.25 to 1",
                        "Howard et al., arXiv:1704.04861", 2017, 3.31, 11.7,
                        ("blocks.2", "blocks.4", "blocks.10", "blocks.12")),
    "mobilenet_v2_05": Row("mobilenet_v2", "half width, strides for 32 pixels", "Sandler et al., arXiv:1801.04381",
                           2018, 0.81, 6.5, _MOBILE_BLOCKS),
    "shufflenet_v1": Row("shufflenet", "grouped 1x1 convolutions, g = 3", "Zhang et al., arXiv:1707.01083",
                         2017, 0.95, 38.7, _LAYERS),
    "shufflenet_v2": Row("shufflenet", "split channels, 1x", "Ma et al., arXiv:1807.11164",
                         2018, 1.36, 44.5, _LAYERS),
}
# fmt: on


def __getattr__(name: str) -> Any:
    if name == "build":
        return importlib.import_module("tutelage.models.building").build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
