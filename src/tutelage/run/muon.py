"""Muon: momentum that is made orthogonal, as a matrix, before it moves the weights of a convolution.

Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; convolutions as matrices of one row a filter:
Jordan 2024, arXiv:2404.00498, and its successor airbench94_muon.
Departures: everything else is moved by SGD with the same momentum; five steps in float32 and not in bfloat16. Both are
why this is not timm.optim.Muon (AdamW beside it); torch.optim.Muon takes matrices only.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

STEPS = 5
A, B, C = 3.4445, -4.7750, 2.0315
"""The quintic x -> A x + B x^3 + C x^5, which brings singular values near 1 in few steps, and no nearer."""
SMALL = 1 << 16
"""Numbers in a matrix up to which a GPU computes it together with others, padded: there a call costs more than they."""


class Muon(torch.optim.Optimizer):
    """Nesterov's momentum; the update of a group with `orthogonal` is replaced by the orthogonal matrix nearest to it.

    Args:
        groups: "params", "weight_decay" (decoupled: times the rate), and whether "orthogonal"; then all its parameters
            have two or more axes, of which the first numbers the filters.
        lr: The rate.
        momentum: In [0, 1).
    """

    def __init__(self, groups: Sequence[dict[str, Any]], *, lr: float, momentum: float):
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})
        self.orthogonal: Callable[[Sequence[Tensor]], list[Tensor]] = orthogonal

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Moves every parameter that has a gradient; a closure is not called."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            gradients, moments = [p.grad for p in moved], [self._moment(p) for p in moved]
            torch._foreach_mul_(moments, group["momentum"])
            torch._foreach_add_(moments, gradients)
            updates = list(torch._foreach_add(gradients, moments, alpha=group["momentum"]))
            if group["orthogonal"]:
                updates = self.orthogonal(updates)
            rate = group["lr"]
            if group["weight_decay"]:
                torch._foreach_mul_(moved, 1 - rate * group["weight_decay"])
            if isinstance(rate, Tensor):  # on the device, where it changes from one replay of a graph to the next
                torch._foreach_sub_(moved, torch._foreach_mul(updates, rate))
            else:
                torch._foreach_add_(moved, updates, alpha=-rate)

    def _moment(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def orthogonal(updates: Sequence[Tensor]) -> list[Tensor]:
    """Each update as a matrix of its first axis with its singular values near 1, times sqrt(max(1, rows / columns))."""
    wide = [_wide(update.flatten(1)) for update in updates]
    found: dict[int, Tensor] = {}
    for numbers in _together(wide):
        rows, columns = (max(wide[number].shape[axis] for number in numbers) for axis in (0, 1))
        batch = wide[numbers[0]].new_zeros(len(numbers), rows, columns)
        for place, number in enumerate(numbers):
            batch[place, : wide[number].shape[0], : wide[number].shape[1]] = wide[number]
        batch = newton_schulz(batch)
        for place, number in enumerate(numbers):
            found[number] = batch[place, : wide[number].shape[0], : wide[number].shape[1]]
    return [_like(update, found[number]) for number, update in enumerate(updates)]


def newton_schulz(x: Float32[Tensor, "n rows columns"]) -> Float32[Tensor, "n rows columns"]:
    """Singular values near 1 (0.7 to 1.2) and the singular vectors of each; rows and columns of zeros stay zeros."""
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(STEPS):
        a = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(a, a, a, beta=B, alpha=C), x, beta=A)
    return x


def _wide(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def _like(update: Tensor, wide: Tensor) -> Tensor:
    rows, columns = update.flatten(1).shape
    matrix = wide if rows <= columns else wide.mT
    return (matrix * max(1.0, rows / columns) ** 0.5).reshape(update.shape)


def _together(matrices: Sequence[Tensor]) -> list[list[int]]:
    """Which are computed in one batch: those of equal shape, and on a GPU all small ones."""
    batches: dict[Any, list[int]] = {}
    for number, matrix in enumerate(matrices):
        small = matrix.is_cuda and matrix.numel() <= SMALL
        batches.setdefault("small" if small else matrix.shape, []).append(number)
    return list(batches.values())
