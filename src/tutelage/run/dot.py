"""DOT: the teacher's gradient has a momentum of its own, longer than the labels'.

Source: Zhao, Cui, Song & Liang 2023, arXiv:2307.08436, section 3 (distillation-oriented trainer).
Departures: several groups of parameters, with weight decay where a group has it; the authors' code decays an adapter
from its second step on only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tutelage.errors import UserError
from tutelage.run.engine import Engine

GAP = 0.075
"""Half the distance of the two momenta: the paper's on CIFAR-100 and Tiny ImageNet; 0.09 on ImageNet."""


class DOT(torch.optim.Optimizer):
    """p <- p - lr (a + b): a <- (momentum - GAP) a + g + decay p, b <- (momentum + GAP) b + h.

    g is the gradient of the labels' term, h that of all others. A parameter that has one of the two alone (an adapter)
    is moved by it with momentum as it is, decay included.

    Args:
        groups: "params" and "weight_decay".
        lr: The rate.
        momentum: In [GAP, 1 - GAP).
    """

    def __init__(self, groups: Sequence[dict[str, Any]], *, lr: float, momentum: float):
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})
        self.taught: dict[Tensor, Tensor] = {}

    def keep(self) -> None:
        """Takes the gradients that are there as the teacher's, for the next step; the labels' are to come."""
        self.taught = {p: p.grad for group in self.param_groups for p in group["params"] if p.grad is not None}
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Moves every parameter that has a gradient; a closure is not called."""
        for group in self.param_groups:
            momentum, moves = group["momentum"], []
            for p in group["params"]:
                alone = p.grad is None or p not in self.taught
                if p.grad is not None:
                    moves.append((p, "momentum_buffer", p.grad, momentum - (0 if alone else GAP), True))
                if p in self.taught:
                    moves.append((p, "taught_buffer", self.taught[p], momentum + (0 if alone else GAP), alone))
            self._move(moves, group)

    def _move(self, moves: list[tuple[Tensor, str, Tensor, float, bool]], group: dict[str, Any]) -> None:
        """One launch of each kernel for all parameters of a group that share a momentum and a decay."""
        kinds = dict.fromkeys((name, momentum, decays) for _, name, _, momentum, decays in moves)
        for name, momentum, decays in kinds:
            mine = [(p, gradient) for p, n, gradient, m, d in moves if (n, m, d) == (name, momentum, decays)]
            moved, gradients = [p for p, _ in mine], [gradient for _, gradient in mine]
            if decays and group["weight_decay"]:
                gradients = torch._foreach_add(gradients, moved, alpha=group["weight_decay"])
            moments = [self._moment(p, name) for p in moved]
            torch._foreach_mul_(moments, momentum)
            torch._foreach_add_(moments, gradients)
            torch._foreach_add_(moved, moments, alpha=-group["lr"])

    def _moment(self, parameter: Tensor, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        return state[name]


def check(optimizer: str, engine: Engine) -> None:
    """Raises UserError where a step cannot have the two backward passes of dot."""
    if optimizer == "dot" and (engine.processes > 1 or engine.compile or engine.precision == "fp16"):
        raise UserError(
            "fit.optimizer = dot takes two backward passes a step: not on several devices, compiled or in fp16",
            "leave those engine settings out, or use fit.optimizer = sgd",
        )
