"""Asks a frozen network about views of images: the first answers of a cache, and the rows that check it."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from tutelage.data.augment import Augment
from tutelage.data.images import Images, Views, workers_beside
from tutelage.errors import UserError
from tutelage.outputs import Outputs
from tutelage.shares import percent
from tutelage.teacher.answer import rows_of

TOLERANCE = {"fp32": 0.0, "bf16": 0.02, "fp16": 0.005}
"""How far answers in a precision may be off float32's, by the largest of these. A published ResNet-56 of CIFAR-10 is
off by 1.4 % in bf16 and 0.15 % in fp16; an EfficientNet-lite0 by 6.2 % and 0.6 %: it is refused (docs/log.md)."""
_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
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
    network: nn.Module,
    shown: Iterable[Views],
    fields: tuple[str, ...],
    advance: Callable[[int], None],
    precision: str = "fp32",
) -> dict[str, Tensor]:
    """What the teacher says about the views it is shown, on the CPU.

    In less than float32 the first batch is asked in float32, too, and compared.

    Raises:
        UserError: the answers are farther from float32's than `TOLERANCE` allows.
    """
    parts: dict[str, list[Tensor]] = {field: [] for field in fields}
    device = next(network.parameters()).device
    for views in shown:
        pixels = views.pixels.to(device, memory_format=torch.channels_last)
        with exactly(), torch.autocast(device.type, _HALVES.get(precision), enabled=precision != "fp32"):
            answer = network(pixels, frozenset(fields))
        if precision != "fp32" and not parts[fields[0]]:
            with exactly():
                _compare(answer, network(pixels, frozenset(fields)), fields, precision)
        for field in fields:
            parts[field].append(rows_of(answer, field).float().cpu())
        advance(len(views.pixels))
    return {field: torch.cat(rows) for field, rows in parts.items()}


def _compare(answer: Outputs, exact: Outputs, fields: tuple[str, ...], precision: str) -> None:
    for field in fields:
        rows, right = (rows_of(outputs, field).float() for outputs in (answer, exact))
        off = ((rows - right).abs().max() / right.abs().max().clamp_min(1e-30)).item()
        if not off <= TOLERANCE[precision]:
            raise UserError(
                f"teacher.precision = {precision}: this teacher's {field} are off by {percent(off)} of the largest "
                f"({percent(TOLERANCE[precision])} is allowed)",
                "leave it out: in fp32 they are exact",
            )
