"""Chooses which part of a network is trained; the rest is frozen, its BatchNorm and dropout in eval mode."""

from typing import Literal

from torch import nn

from tutelage.models.tap import Tapped

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def set_trained(
    tapped: Tapped,
    tune: Literal["head", "last_stage", "full"],
    norms: Literal["trained", "frozen"] = "trained",
) -> None:
    """Leaves a gradient to the part that is tuned and puts the network in training mode, its frozen part in eval mode.

    Args:
        tapped: Call this again after anything that called `train()` or `eval()`.
        tune: "head": the final layer; "last_stage": from the last stage on, in the order in which the network
            registers its parts; "full": everything.
        norms: "frozen": BatchNorm normalises by the means and variances that it came with, in the tuned part too;
            its scale and shift are trained.
    """
    tapped.train()
    if norms == "frozen":
        for module in tapped.network.modules():
            if isinstance(module, NORMS):
                module.eval()
    if tune == "full":
        return
    first = tapped.head if tune == "head" else tapped.stages[-1]
    begun = False
    for path, module in tapped.network.named_modules():
        begun = begun or path == first
        if begun or any(name.startswith(first) for name, _ in module.named_modules(prefix=path)):
            continue
        module.train(mode=False)
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(requires_grad=False)
