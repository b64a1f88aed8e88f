"""Takes one training step: from addresses to new weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from tutelage import rng
from tutelage.data.images import Views
from tutelage.methods.combine import LABEL
from tutelage.outputs import Context, Outputs
from tutelage.run.dot import DOT
from tutelage.run.plan import Plan
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe
from tutelage.teacher.answer import Teacher

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Step:
    """One training step, from addresses to new weights; no element of it depends on what happened before."""

    fabric: "Fabric"
    recipe: Recipe
    plan: Plan
    labels: Tensor
    """The labels of the training split, on the device."""
    teacher: Teacher
    module: Any
    """The distiller as Fabric has set it up."""
    optimizer: torch.optim.Optimizer
    workers: int = -1
    """Processes that make views of photos ahead: see Engine."""
    recorded: Callable[..., dict[str, Tensor]] | None = None
    """`gradients` as a CUDA graph."""
    whole: Callable[[int], dict[str, Tensor]] | None = None
    """The step of a number, everything in it, as a CUDA graph: it makes its own views."""

    @property
    def process(self) -> Process:
        """The process that takes the step."""
        return Process.of(self.fabric)

    def __call__(self, step: int, views: Views | None) -> dict[str, Tensor]:
        """The method's terms on the step's views, before the weights moved; None: a whole step looks them up."""
        if self.whole is not None:
            return self.whole(step)
        assert views is not None
        fabric, recipe, labels = self.fabric, self.recipe, self.labels
        rank = fabric.global_rank
        addresses = self.plan.addresses(step, rank, fabric.world_size)
        sample = addresses[0].to(fabric.device, non_blocking=True)
        pixels, partner, partner_share = views
        partner_labels = None if partner is None else labels[partner]
        views_of_each = len(pixels) // len(sample)
        shown = sample.repeat(views_of_each)
        epoch = self.plan.epoch(step)
        context = Context(labels[shown], shown, epoch, partner_labels, partner_share, views_of_each)
        answer = self.teacher.answer(pixels, *addresses)  # a cache reads on the host: nobody waits for the device
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate(step) * group.get("lr_scale", 1.0)
        rng.seed_generators(rng.integer(recipe.seed, "step", step, rank), fabric.device)
        terms = (self.recorded or self.gradients)(pixels, answer, context)
        if recipe.fit.clip_norm:
            # A norm that is not finite is fp16's overflow, after which the scaler skips the step, or shows in the loss.
            norm = recipe.fit.clip_norm
            fabric.clip_gradients(self.module, self.optimizer, max_norm=norm, error_if_nonfinite=False)
        self.optimizer.step()
        return terms

    def gradients(self, pixels: Tensor, answer: Outputs, context: Context) -> dict[str, Tensor]:
        """The terms, means over the parts of the batch; their gradients are left with the parameters."""
        self.optimizer.zero_grad()
        parts = self.recipe.fit.accumulate
        total: dict[str, Tensor] = {}
        for number in range(parts):
            part = pytree.tree_map_only(Tensor, partial(_part, number, parts), (pixels, answer, context))
            rest_follows = number + 1 < parts and self.fabric.world_size > 1
            with self.fabric.no_backward_sync(self.module, enabled=rest_follows):
                terms = self.module(*part)
                self._backward({name: term / parts for name, term in terms.items()})
            total = {name: total.get(name, 0) + term.detach() / parts for name, term in terms.items()}
        return total

    def _backward(self, terms: dict[str, Any]) -> None:
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        if isinstance(optimizer, DOT) and LABEL in terms and len(terms) > 1:
            others = [term for name, term in terms.items() if name != LABEL]
            self.fabric.backward(sum(others), retain_graph=True)
            optimizer.keep()
            self.fabric.backward(terms[LABEL])
        else:
            self.fabric.backward(sum(terms.values()))


def _part(number: int, parts: int, whole: Tensor) -> Tensor:
    """One of the equal parts of a batch's tensor, in order; what has no dimension, the epoch, is the same for all."""
    return whole.chunk(parts)[number] if whole.ndim and parts > 1 else whole
