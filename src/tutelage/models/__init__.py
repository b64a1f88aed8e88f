"""The networks: MODELS is the only list of ours; `timm:NAME`, `torchvision:NAME` and `FILE.py:function` name others."""

from dataclasses import dataclass, field
from typing import Any


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
