"""Says how a network is trained: optimiser, learning rate, averaging. The rate is a pure function of the step."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tutelage.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Fit:
    """How long and with what a network is trained."""

    epochs: int = 30
    """Passes over the training split."""
    batch_size: int = 64
    """Images a step, over all devices together; a last partial batch is dropped."""
    optimizer: Literal["sgd", "adamw", "adam"] = "sgd"
    """sgd is with Nesterov momentum."""
    learning_rate: float = 0.05
    """The highest of the schedule."""
    momentum: float = 0.9
    """The momentum of sgd, in [0, 1)."""
    weight_decay: float = 5e-4
    """Not applied to norms and biases (nor to any parameter of one axis)."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """cosine: to zero; step: times 0.1 after 5/8, 6/8 and 7/8 of the steps (CIFAR-100: 150, 180, 210)."""
    warm_up: float = 1.0
    """Epochs of linear warm-up; less where training is shorter than ten times this."""
    clip_norm: float = 0.0
    """Highest norm of the gradient over all trained parameters; 0: no clipping."""
    ema: float = 0.0
    """Decay per step of the averaged weights that become the result, in [0, 1); 0: no averaging."""

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0"),
            ("warm_up", 0 <= self.warm_up < math.inf, "at least 0 epochs"),
            ("clip_norm", 0 <= self.clip_norm < math.inf, "at least 0"),
            ("ema", 0 <= self.ema < 1, "in [0, 1)"),
        ):
            if not good:
                raise UserError(f"fit.{name} = {getattr(self, name)!r}", f"{name} must be {expected}")


def learning_rate(fit: Fit, step: int, steps: int) -> float:
    """The learning rate of one step of `steps`.

    >>> fit = Fit(epochs=10, learning_rate=1.0, warm_up=1.0)
    >>> [round(learning_rate(fit, step, 100), 3) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    warm = round(min(fit.warm_up / fit.epochs, 0.1) * steps)
    if step < warm:
        return fit.learning_rate * (step + 1) / warm
    if fit.schedule == "cosine":
        return fit.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
    if fit.schedule == "step":
        return fit.learning_rate * 0.1 ** sum(step >= share * steps for share in (5 / 8, 6 / 8, 7 / 8))
    return fit.learning_rate


def optimizer(fit: Fit, module: "nn.Module") -> "torch.optim.Optimizer":
    """The optimiser over the parameters that want a gradient; the learning rate is set at every step."""
    import torch

    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": fit.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # foreach: the same bits as the plain loop in two thirds of its time on a CPU, and the default on a GPU.
    match fit.optimizer:
        case "sgd":
            nesterov = fit.momentum > 0
            return torch.optim.SGD(groups, lr=fit.learning_rate, momentum=fit.momentum, nesterov=nesterov, foreach=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=fit.learning_rate, foreach=True)
        case "adam":
            return torch.optim.Adam(groups, lr=fit.learning_rate, foreach=True)


def averaged(module: "nn.Module", decay: float) -> "torch.optim.swa_utils.AveragedModel":
    """A copy of a module that follows it as an exponential average (Polyak & Juditsky 1992), buffers too."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
