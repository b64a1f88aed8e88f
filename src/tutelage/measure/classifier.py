"""Measures a classifier on a split: its accuracy, its calibration, and how far it agrees with its teacher.

Every number is computed from the logits of all images, so it is exact whatever the batch size and the number of
devices: no padded sampler, no mean of means.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from tutelage.data.images import Images
from tutelage.edge.comparing import percentiles
from tutelage.measure.answers import Answers
from tutelage.measure.measures import MEASURES, Measured
from tutelage.models.tap import evaluating
from tutelage.progress import advancing

if TYPE_CHECKING:
    from lightning_fabric import Fabric


BATCH = 64
"""Images a pass on a CPU: the maps of more leave its caches (benchmarks/fill.py). Eight times as many on a GPU."""
LATENCY_ROUNDS, LATENCY_SECONDS = 100, 4.0
"""Rounds over the networks whose latency is measured, and the time after which no further begins."""


def predict(
    network: nn.Module,
    images: Images,
    *,
    fabric: "Fabric | None" = None,
    what: str = "evaluating",
) -> Float32[Tensor, "N C"]:
    """The network's logits on every image, unaugmented, on the CPU.

    Args:
        network: From pixels in [0, 1] to `Outputs`; put into eval mode meanwhile.
        images: A split.
        fabric: With several processes each takes a part, and all get the whole.
        what: For the progress bar.
    """
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    device = next(network.parameters()).device
    batch = BATCH if device.type == "cpu" else 8 * BATCH
    starts = range(0, len(images), batch)[rank::world]
    parts: list[tuple[int, Tensor]] = []
    with evaluating(network), torch.inference_mode(), advancing(what, len(images) // world) as advance:
        # A rank may be left without a batch, but not without the number of classes.
        classes = network(images.plain(torch.zeros(1, dtype=torch.long)).to(device)).logits.shape[1]
        for start in starts:
            position = torch.arange(start, min(start + batch, len(images)))
            pixels = images.plain(position).to(device, memory_format=torch.channels_last)
            parts.append((start, network(pixels).logits.float()))
            advance(len(position))
    logits = torch.zeros(len(images), classes, device=device)
    for start, part in parts:
        logits[start : start + len(part)] = part
    if fabric and world > 1:
        # Every row is zero on all ranks but one.
        logits = cast(Tensor, fabric.all_reduce(logits, reduce_op="sum"))
    return logits.cpu()


def measure(
    logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"], teacher_logits: Float[Tensor, "N C"] | None = None
) -> Measured:
    """The measures of one set of predictions: those of `MEASURES` that apply, by name.

    Returns:
        Those, and `images` (their number) and `per_class` (accuracy by class, None where a class has no image).
    """
    answers = Answers(logits, labels, teacher_logits)
    counts = torch.bincount(labels, minlength=answers.classes)
    hits = torch.bincount(labels[answers.right], minlength=answers.classes)
    per_class = [h / n if n else None for h, n in zip(hits.tolist(), counts.tolist(), strict=True)]
    applying = {name: row for name, row in MEASURES.items() if row.applies(answers.classes, answers.taught)}
    measured = {"images": len(labels)} | {name: row.compute(answers) for name, row in applying.items()}
    return cast(Measured, measured | {"per_class": per_class})


def latencies(networks: Sequence[nn.Module], shape: tuple[int, int, int]) -> list[dict[str, float]]:
    """Milliseconds of one image on one thread of the CPU, by PyTorch as it is.

    The networks take turns, so that whatever else the machine does is shared among them.

    Args:
        networks: On the CPU; put into eval mode meanwhile.
        shape: (channels, height, width) of their input.

    Returns:
        {"p50", "p90"} of each, over at most `LATENCY_ROUNDS` rounds; the first is not counted.
    """
    image = torch.zeros(1, *shape).contiguous(memory_format=torch.channels_last)
    taken: list[list[float]] = [[] for _ in networks]
    begun = time.perf_counter()
    with _one_thread(), torch.inference_mode():
        for number in range(LATENCY_ROUNDS + 1):
            if number > 1 and time.perf_counter() - begun > LATENCY_SECONDS:
                break
            for network, times in zip(networks, taken, strict=True):
                with evaluating(network):
                    start = time.perf_counter()
                    network(image)
                    times.append(1e3 * (time.perf_counter() - start))
    return [percentiles(times[1:]) for times in taken]


@contextmanager
def _one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
