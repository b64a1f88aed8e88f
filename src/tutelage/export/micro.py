"""Measures a file of 8 bits by running it as a microcontroller does, and compares LiteRT with that."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer

from tutelage.data.images import Images
from tutelage.edge.flatbuffer import Program, as_bytes, infer, litert, logits, micro
from tutelage.edge.runtimes import singly
from tutelage.errors import UserError
from tutelage.export import npu
from tutelage.export.measuring import measured
from tutelage.export.needs import needs
from tutelage.export.task import Task
from tutelage.measure.classifier import BATCH
from tutelage.models.count import macs
from tutelage.progress import advancing

STEPS_APART = 2
"""By how many of its 256 steps an answer of LiteRT may differ from TensorFlow Lite Micro's."""
STEPS_APART_SOFTMAX = 8
"""The same of probabilities: softmax makes several steps of one that the logits are apart."""


def measured_micro(task: Task, path: Path) -> dict[str, Any]:
    """Runs a file on all of val by TensorFlow Lite Micro's interpreter, and by LiteRT.

    Returns:
        As `measuring.measured`, of TensorFlow Lite Micro, picture files too, but for latency and memory, which are
        LiteRT's here; and
        `flash_bytes` {"total", "model", "code_estimate"}, `ram_bytes` {"arena", "head", "tail"}, `operators`, `macs`,
        `output`, and `litert_steps_apart`: the largest difference between the two in steps of 8 bits. `npu`, where the
        task names one: see `npu.compiled`, whose file lies beside.

    Raises:
        UserError: the two disagree; Vela refuses the file.
    """
    softmax = task.micro.softmax
    in_micro, in_litert = micro(path).program, litert(path, reference=True)
    answered = answers(in_micro, task.dataset.val, f"{path.name} in TensorFlow Lite Micro")
    apart = np.abs(answered - answers(in_litert, task.dataset.val, f"{path.name} in LiteRT"))
    allowed = STEPS_APART_SOFTMAX if softmax else STEPS_APART
    if apart.max() > allowed:
        raise UserError(
            f"LiteRT and TensorFlow Lite Micro disagree about {(apart > allowed).any(1).sum():,} of {len(answered):,} "
            f"images of val, by up to {apart.max()} of 256 steps; the file is not kept",
            "report it with the model's name",
        )
    expected = torch.log_softmax(task.logits, 1) if softmax else task.logits
    found = logits(answered, in_micro.output, probabilities=softmax)
    numbers = measured(dataclasses.replace(task, logits=expected), path, found, singly(infer(in_micro, path)))
    more: dict[str, Any] = {"macs": macs(task.network, (1, *task.shape)), "litert_steps_apart": int(apart.max())}
    if task.micro.npu:
        more["npu"] = npu.compiled(path, task.micro.npu)
    return numbers | needs(path).told() | more | {"output": task.micro.output}


def answers(program: Program, images: Images, title: str) -> Integer[np.ndarray, "N C"]:
    """What a file of 8 bits says of every image, in steps."""
    rows = []
    with advancing(title, len(images)) as advance:
        for position in torch.arange(len(images)).split(BATCH):
            pixels = as_bytes(images.plain(position).numpy(), program.input.dtype)
            rows += [program.run(pixels[i : i + 1]) for i in range(len(pixels))]
            advance(len(position))
    return np.concatenate(rows).astype(np.int32)
