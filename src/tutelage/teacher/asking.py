"""Asks a frozen network about views of images: the first answers of a cache, and the rows that check it."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from tutelage.data.augment import Augment
from tutelage.data.images import Images, Views, workers_beside
from tutelage.outputs import Outputs

FILL_BATCH = 64
"""Images a pass on a CPU: the maps of more leave its caches (benchmarks/fill.py). Eight times as many on a GPU."""


@contextmanager
def exactly() -> Generator[None]:
    """float32 is float32, also in a GPU's convolutions: by TF32, another batch size answers 0.2 % otherwise."""
    cudnn: Any = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32, cudnn.benchmark = False, False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark = before


@torch.inference_mode()
def ask(
    network: nn.Module,
    images: Images,
    augment: Augment,
    sample: Int64[Tensor, " B"],
    view: int,
    want: frozenset[str] = frozenset(),
) -> Outputs:
    """What a frozen network says about one view of some images; on its own device."""
    pixels = images.view(sample, torch.full_like(sample, view), augment).pixels
    device = next(network.parameters()).device
    with exactly():
        return network(pixels.to(device, memory_format=torch.channels_last), want)


def shown(network: nn.Module, images: Images, augment: Augment, view: int, samples: range) -> Iterator[Views]:
    """One view of a range of samples, always in the same batches, since kernels may round."""
    device = next(network.parameters()).device
    batches = torch.arange(samples.start, samples.stop).split(FILL_BATCH if device.type == "cpu" else 8 * FILL_BATCH)
    # Starting a process takes longer than what a batch of its own takes, above all where processes are spawned.
    workers = min(workers_beside(device), len(batches) - 1)
    return images.stream(((s, torch.full_like(s, view)) for s in batches), augment, workers)


@torch.inference_mode()
def answers(
    network: nn.Module, shown: Iterable[Views], fields: tuple[str, ...], advance: Callable[[int], None]
) -> dict[str, Tensor]:
    """What the teacher says about the views it is shown, on the CPU."""
    parts: dict[str, list[Tensor]] = {field: [] for field in fields}
    device = next(network.parameters()).device
    for views in shown:
        with exactly():
            answer = network(views.pixels.to(device, memory_format=torch.channels_last), frozenset(fields))
        for field in fields:
            parts[field].append(getattr(answer, field).flatten(1).float().cpu())
        advance(len(views.pixels))
    return {field: torch.cat(rows) for field, rows in parts.items()}
