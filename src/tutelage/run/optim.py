"""Says how a network is trained: optimiser, learning rate, averaging. The rate is a pure function of the step."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

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
    optimizer: Literal["sgd", "adamw", "adam", "muon", "dot"] = "sgd"
    """sgd is with Nesterov momentum; muon moves convolutions by orthogonal steps, everything else as sgd does; dot is
    SGD with two plain momenta: a longer one for the teacher's gradient than for the labels' (Zhao et al. 2023)."""
    learning_rate: float = 0.05
    """The highest of the schedule."""
    momentum: float = 0.9
    """The momentum of sgd, muon and dot, in [0, 1)."""
    companion: float = 0.1
    """muon: the highest rate of its companion, SGD, which moves what is no convolution (biases, norms, the head)."""
    weight_decay: float = 5e-4
    """Not applied to norms and biases (nor to any parameter of one axis); adamw and muon: times the rate."""
    schedule: Literal["cosine", "linear", "step", "constant"] = "cosine"
    """cosine, linear: to zero; step: times 0.1 after 5/8, 6/8 and 7/8 of the steps (CIFAR-100: 150, 180, 210)."""
    warm_up: float = 1.0
    """Epochs of linear warm-up; less where training is shorter than ten times this."""
    clip_norm: float = 0.0
    """Highest norm of the gradient over all trained parameters; 0: no clipping."""
    ema: float = 0.0
    """Decay per step of the averaged weights that become the result, in [0, 1); 0: no averaging."""
    average: float = 0.0
    """Share of the steps, at the end, whose plain mean of weights becomes the result, in [0, 1]; 0: none."""
    accumulate: int = 1
    """Parts in which a batch is computed, one after another, where it does not fit into memory as a whole; its gradient
    is the mean of theirs. Batch norm sees the parts: its statistics are those of fewer images."""

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("companion", 0 < self.companion < math.inf, "above 0"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0"),
            ("warm_up", 0 <= self.warm_up < math.inf, "at least 0 epochs"),
            ("clip_norm", 0 <= self.clip_norm < math.inf, "at least 0"),
            ("ema", 0 <= self.ema < 1, "in [0, 1)"),
            ("average", 0 <= self.average <= 1, "in [0, 1]"),
            ("accumulate", self.accumulate >= 1, "at least 1"),
        ):
            if not good:
                raise UserError(f"fit.{name} = {getattr(self, name)!r}", f"{name} must be {expected}")
        if self.optimizer == "dot" and (self.clip_norm or self.accumulate > 1):
            field = "clip_norm" if self.clip_norm else "accumulate"
            raise UserError(
                f"fit.optimizer = dot keeps two gradients apart: fit.{field} has no meaning for it", "leave it out"
            )
        if self.ema and self.average:
            raise UserError(
                f"fit.ema = {self.ema:g} and fit.average = {self.average:g} are two ways of averaging weights",
                "set one of them to 0",
            )


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
    if fit.schedule == "linear":
        return fit.learning_rate * (1 - (step - warm) / max(steps - warm, 1))
    if fit.schedule == "step":
        return fit.learning_rate * 0.1 ** sum(step >= share * steps for share in (5 / 8, 6 / 8, 7 / 8))
    return fit.learning_rate


def optimizer(fit: Fit, module: "nn.Module") -> "torch.optim.Optimizer":
    """The optimiser over the parameters that want a gradient; the learning rate is set at every step.

    A group's rate is the schedule's times its `lr_scale`, where it has one.
    """
    import torch

    trained = [p for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": fit.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if fit.optimizer == "muon":
        matrices = {p for p in trained if p.ndim > 2 and p.shape[1] > 1}  # a depthwise filter is no matrix
        for group in groups:
            group["lr_scale"] = fit.companion / fit.learning_rate
            group["params"] = [p for p in group["params"] if p not in matrices]
        of_matrices = [p for p in trained if p in matrices]
        groups.insert(0, {"params": of_matrices, "weight_decay": fit.weight_decay, "orthogonal": True})
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
        case "muon":
            from tutelage.run.muon import Muon

            return Muon(groups, lr=fit.learning_rate, momentum=fit.momentum)
        case "dot":
            from tutelage.run.dot import DOT

            return DOT(groups, lr=fit.learning_rate, momentum=fit.momentum)


def average_decay(fit: Fit, step: int, steps: int) -> float:
    """What the averaged weights keep of themselves at a step; 0: they become the weights as they are.

    fit.ema: Polyak & Juditsky 1992, exponential; fit.average: Izmailov et al. 2018, arXiv:1803.05407, the plain mean.

    >>> [average_decay(Fit(ema=0.75), step, 100) for step in (0, 1, 99)]
    [0.0, 0.75, 0.75]
    >>> [average_decay(Fit(average=0.03), step, 100) for step in (0, 97, 98, 99)]
    [0.0, 0.0, 0.5, 0.6666666666666666]
    """
    if fit.ema:
        return fit.ema if step else 0.0
    before = max(step - (steps - round(fit.average * steps)), 0)
    return before / (before + 1)


def update_average(average: "nn.Module", module: "nn.Module", decay: float) -> None:
    """Every weight and buffer a of the average becomes decay * a + (1 - decay) * that of the module."""
    import torch

    def numbers(network: "nn.Module") -> "list[torch.Tensor]":
        return [*network.parameters(), *network.buffers()]

    with torch.no_grad():
        pairs = list(zip(numbers(average), numbers(module), strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([old for old, _ in floats], [new for _, new in floats], 1 - decay)
        for old, new in pairs:
            if not old.is_floating_point():
                old.copy_(old * decay + new * (1 - decay))
