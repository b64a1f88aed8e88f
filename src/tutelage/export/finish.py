"""Finishes a student with 8-bit arithmetic in the loop, so that it learns to live with the rounding of an int8 file.

Source: Jacob et al. 2018, arXiv:1712.05877, section 3; gradients pass the rounding as if it were not there, and are
zero where an activation is clipped.
Departures: BatchNorm stays as it was trained and is not folded: a scale for each output channel of a kernel makes
rounding before and after the folding the same. Activations are rounded where they enter a convolution or linear layer,
within ranges found once. `torch.ao.quantization`, which had this, is being removed from PyTorch.
"""

import dataclasses
from collections.abc import Generator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tutelage.data.splits import DataSet
from tutelage.export.onnx_files import calibration
from tutelage.export.steady import LARGEST_WEIGHT
from tutelage.export.task import Task
from tutelage.run import optim
from tutelage.run.engine import Engine
from tutelage.run.folder import Run
from tutelage.run.plan import Plan
from tutelage.run.process import Process
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.training.distiller import Distiller
from tutelage.training.loop import steps_taken
from tutelage.training.session import seen_in_training
from tutelage.training.step import Step
from tutelage.training.student import rebuilt

LEARNING_RATE_SHARE = 0.02
"""The share of the run's own rate that it begins with; a cosine to zero."""


class RoundedWeight(nn.Module):
    """A kernel as its int8 form says it: a symmetric scale for each output channel."""

    def forward(self, weight: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The nearest of 129 values for each channel."""
        largest = weight.detach().flatten(1).abs().amax(1).clamp_min(1e-12)
        zero = torch.zeros_like(largest, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, largest / LARGEST_WEIGHT, zero, 0, -LARGEST_WEIGHT, LARGEST_WEIGHT
        )


class RoundedInput:
    """A forward hook that rounds what enters a layer to 256 values between the smallest and the largest seen."""

    def __init__(self) -> None:
        self.watching = True
        self.low = self.high = 0.0

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        (entering,) = inputs
        if self.watching:
            self.low = min(self.low, float(entering.min()))
            self.high = max(self.high, float(entering.max()))
            return None
        scale = max(self.high - self.low, 1e-12) / 255
        return (torch.fake_quantize_per_tensor_affine(entering, scale, round(-self.low / scale), 0, 255),)


@contextmanager
def rounding(network: nn.Module, task: Task) -> Generator[None]:
    """Inside the block a network computes as its int8 file will; its weights themselves stay float.

    Args:
        network: Its convolutions and linear layers are rounded.
        task: Whose calibration images give the activations' ranges.
    """
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    roundings = [RoundedInput() for _ in layers]
    handles = [layer.register_forward_pre_hook(rounding) for layer, rounding in zip(layers, roundings, strict=True)]
    device = next(network.parameters()).device
    try:
        network.eval()
        with torch.no_grad():
            for pixels in calibration(task):
                network(pixels.to(device))
        for rounding in roundings:
            rounding.watching = False
        for layer in layers:
            parametrize.register_parametrization(layer, "weight", RoundedWeight())
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers:
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


def finished(run: Run, dataset: DataSet, task: Task, epochs: int, engine: Engine | None = None) -> nn.Module:
    """A run's student after some more epochs of its own recipe, computing in 8 bits: on the CPU, in eval mode.

    The teacher's answers are those of the run: nothing is paid where they are still on disk.

    Args:
        run: Finished; its folder is only read.
        dataset: Its data.
        task: What is exported of it.
        epochs: At least 1.
        engine: Where.

    Raises:
        UserError: the teacher's weights are not there any more.
    """
    fabric = (engine or Engine()).fabric()
    fit = dataclasses.replace(
        run.recipe.fit,
        epochs=epochs,
        learning_rate=run.recipe.fit.learning_rate * LEARNING_RATE_SHARE,
        companion=run.recipe.fit.companion * LEARNING_RATE_SHARE,
        schedule="cosine",
        warm_up=0.0,
        ema=0.0,
        average=0.0,
    )
    recipe = dataclasses.replace(run.recipe, fit=fit)
    plan = Plan.of(recipe, len(dataset.train))
    lesson = lessons.prepare(recipe, dataset, Workspace(run.path.parent), Process.of(fabric))
    student, adapters, network = rebuilt(run, dataset, to_learn=True)
    network.to(fabric.device)
    distiller = Distiller(student, recipe.method, adapters).to(memory_format=torch.channels_last)
    with rounding(network, task):
        distiller.train()
        for part in distiller.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        module, optimizer = fabric.setup(distiller, optim.optimizer(fit, distiller))
        images = seen_in_training(recipe, dataset).to(fabric.device)
        take_step = Step(fabric, recipe, plan, images.labels, lesson.teacher, module, optimizer)
        for _ in steps_taken(take_step, images, 0, "finishing in 8 bits"):
            pass
    return network.cpu().eval()
