"""Says what happens at a step: which samples, which view, which learning rate. All are pure functions of the step."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int64
from torch import Tensor

from tutelage import rng
from tutelage.errors import UserError
from tutelage.methods.finding import method_words
from tutelage.run import optim

if TYPE_CHECKING:
    from tutelage.run.recipe import Recipe

_order = lru_cache(maxsize=2)(rng.permutation)


def check_batch(fit: optim.Fit, samples: int = sys.maxsize, field: str = "fit", devices: int = 1) -> None:
    """Refuses a batch that cannot be made.

    Args:
        fit: Its size, and in how many parts it is computed.
        samples: Of the training split; not said: enough.
        field: Where in the recipe `fit` stands; the hint names it.
        devices: That share a batch.
    """
    images, parts = fit.batch_size, fit.accumulate
    if images > samples:
        raise UserError(
            f"a batch of {images} images, but only {samples} to train on",
            f"lower {field}.batch_size to {samples} or less, or give more images to train on",
        )
    if images % (devices * parts):
        wanted = [f"shared equally by {devices} devices"] if devices > 1 else []
        wanted += [f"computed in {parts} equal parts"] if parts > 1 else []
        raise UserError(
            f"a batch of {images} images cannot be {' and '.join(wanted)}",
            f"choose a {field}.batch_size that {devices * parts} divides: every image then counts the same",
        )


def check_together(recipe: "Recipe") -> None:
    """Refuses one image a step for a method that compares several.

    Raises:
        UserError: it has nothing to compare.
    """
    why = recipe.method.claims.couples_batch
    if why and recipe.fit.batch_size == 1 and not recipe.second_view:
        raise UserError(
            f"fit.batch_size = 1: {method_words(recipe.method)} needs several images a step ({why})",
            "raise fit.batch_size; 64 is usual",
        )


@dataclass(frozen=True)
class Plan:
    """The state of the data pipeline is the step number: nothing else needs saving."""

    samples: int
    """N, the size of the training split."""
    views: int
    """V, views that exist; 0: a new one every epoch."""
    seed: int
    """The run's seed: order, and which view comes first."""
    fit: optim.Fit

    @staticmethod
    def of(recipe: "Recipe", samples: int) -> "Plan":
        """The plan of a recipe on so many training images."""
        return Plan(samples, recipe.views, recipe.seed, recipe.fit)

    def __post_init__(self) -> None:
        check_batch(self.fit, self.samples)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.samples // self.fit.batch_size

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.fit.epochs

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    @property
    def views_used(self) -> tuple[int, ...]:
        """The view numbers the run will see, ascending."""
        return tuple(sorted({self.view(epoch) for epoch in range(self.fit.epochs)}))

    def view(self, epoch: int) -> int:
        """The view number of an epoch: (epoch + r) mod V, with r from the run's seed."""
        if self.views == 0:
            return epoch
        return (epoch + rng.integer(self.seed, "first view")) % self.views

    def addresses(self, step: int, rank: int = 0, world: int = 1) -> tuple[Int64[Tensor, " B"], Int64[Tensor, " B"]]:
        """The (sample, view) pairs of one step; a rank of several takes every world-th."""
        epoch, within = divmod(step, self.steps_per_epoch)
        first = within * self.fit.batch_size
        order = _order(self.seed, epoch, self.samples)
        sample = order[first + rank : first + self.fit.batch_size : world].clone()  # the caller's own
        return sample, torch.full_like(sample, self.view(epoch))

    def epoch(self, step: int) -> float:
        """Epochs completed before a step."""
        return step / self.steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step."""
        return optim.learning_rate(self.fit, step, self.steps)


def views_used(recipe: "Recipe") -> tuple[int, ...]:
    """The view numbers that a recipe's run will see, ascending, on however many images."""
    return Plan.of(recipe, recipe.fit.batch_size).views_used
