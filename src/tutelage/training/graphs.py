"""CUDA graphs: the kernels of a training step, recorded once and replayed, so that a small network waits for no host.

A step of ResNet-8 is some hundred kernels of a few microseconds: launched one by one they leave the GPU idle most of
the time. What is replayed are the same kernels on the same numbers.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs (whole-network capture).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from tutelage.data.augment import Augment
from tutelage.data.images import Addresses, Images, Views
from tutelage.data.memory import MemoryImages
from tutelage.errors import UserError
from tutelage.run.muon import Muon
from tutelage.teacher.answer import Teacher
from tutelage.teacher.lessons import Lesson
from tutelage.training.whole import whole

WARM_UP = 3
"""Calls before the recording: libraries choose their kernels and take their memory in the first ones."""
_NOWHERE = (torch.empty(0, dtype=torch.long),) * 2


class Recorded:
    """A function of tensors that is recorded at its fourth call and replayed from then on.

    What the function does on the host happens in the first four calls only, so its result must be a function of its
    arguments' numbers alone. Floats (the epoch) reach it as tensors; whole numbers stay what they were at first. A
    result is overwritten by the next call.

    Args:
        function: Of tensors, numbers and nests of them; likewise its result.
        device: A GPU.
    """

    def __init__(self, function: Callable[..., Any], device: torch.device):
        self.function, self.device = function, device
        self.calls = 0
        self.stream = torch.cuda.Stream(device)
        self.graph = torch.cuda.CUDAGraph()
        self.held: list[Any] = []
        self.result: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """The function's result.

        Raises:
            UserError: it waits for the device, which cannot be recorded.
        """
        leaves, shape = pytree.tree_flatten(arguments)
        if self.calls <= WARM_UP:
            self.held = [self._own(leaf) for leaf in leaves]
        else:
            self._hold(leaves)
        self.calls += 1
        held = pytree.tree_unflatten(self.held, shape)
        if self.calls <= WARM_UP:
            # On the stream of the recording: autograd remembers on which a gradient was first added up.
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                result = self.function(*held)
            torch.cuda.current_stream().wait_stream(self.stream)
            return result
        if self.calls == WARM_UP + 1:
            self._record(held)
        self.graph.replay()
        return self.result

    def _record(self, held: Any) -> None:
        try:
            # Other threads (progress, tracking) may use the device meanwhile.
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
                self.result = self.function(*held)
        except RuntimeError as error:
            raise UserError(
                f"this training step cannot be recorded as a CUDA graph: {str(error).strip().splitlines()[0]}",
                "leave out engine.graphs",
            ) from error

    def _own(self, leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return torch.empty_like(leaf).copy_(leaf)
        if isinstance(leaf, float):
            return torch.full((), leaf, dtype=torch.float64, device=self.device)
        return leaf

    def _hold(self, leaves: list[Any]) -> None:
        for held, leaf in zip(self.held, leaves, strict=True):
            if isinstance(leaf, Tensor):
                held.copy_(leaf, non_blocking=True)
            elif isinstance(held, Tensor):
                held.fill_(leaf)


class RecordedTeacher(Teacher):
    """A live teacher, or several, who look at the pixels alone; recorded.

    Args:
        teacher: Answers without its cache.
        device: Where it computes.
    """

    def __init__(self, teacher: Teacher, device: torch.device):
        self.recorded = Recorded(lambda pixels: teacher.answer(pixels, *_NOWHERE), device)

    def answer(self, pixels, sample, view):
        return self.recorded(pixels)

    def expect(self, sample, view):
        pass


def recorded(step: Any, images: Images, lesson: Lesson) -> Any:
    """A loop's `Step` that is one graph where all of it can be (`whole.py`). Else these are: its gradients, the
    answers of a teacher who reads no cache, and what makes Muon's updates orthogonal.
    """
    device, optimizer = step.fabric.device, getattr(step.optimizer, "optimizer", step.optimizer)
    entire = whole(step, images, lesson)
    if entire is not None:
        graph = Recorded(entire, device)

        def take(number: int) -> dict[str, Tensor]:
            entire.begin(number)
            return graph()

        return replace(step, whole=take)
    if isinstance(optimizer, Muon):
        optimizer.orthogonal = Recorded(optimizer.orthogonal, device)
    alone = lesson.live and not lesson.caches
    teacher = RecordedTeacher(step.teacher, device) if alone else step.teacher
    return replace(step, teacher=teacher, recorded=Recorded(step.gradients, device))


def views(images: Images, addresses: Iterable[Addresses], augment: Augment, workers: int) -> Iterator[Views]:
    """`Images.stream`, recorded where the images lie in the device's memory; every batch is of the same size."""
    device = images.labels.device
    if not isinstance(images, MemoryImages):
        return images.stream(addresses, augment, workers)
    make = Recorded(lambda sample, view: images.view(sample, view, augment), device)
    on_device = (tuple(part.to(device, non_blocking=True) for part in address) for address in addresses)
    return (make(*address) for address in on_device)
