"""One distillation step by others and by us: interleaved, one process, the same tensors, the same optimiser.

Everybody trains the same student (ResNet-20) under the same teacher (ResNet-56) with SGD on the same 64 images:

- the loop of the PyTorch tutorial on distillation, its loss written as there;
- torchdistill's DistillationBox with KDLoss, as its sample configurations for kd set it up;
- timm's LogitDistillationTask, called as its docstring says;
- tutelage from cached answers, the whole step with views, rows and bookkeeping, and the same with a live teacher,
  which is what a view costs the first time.

The others get ready, normalised tensors: neither loading nor augmentation is counted against them. They run in the
default memory layout, as documented; `channels_last` for both networks is shown beside the tutorial's loop.

    pip install -c constraints.txt 'tutelage[bench]'
    python benchmarks/peers.py [--rounds 60] [--limit 60] [--threads 0]
"""

import argparse
import importlib.metadata
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import RandomSampler, TensorDataset

from _common import (
    MEAN,
    STD,
    bare_step,
    in_words,
    interleaved,
    made_up_cache,
    milliseconds,
    network,
    random_images,
    ratio,
    write,
)
from step import cached_step
from tutelage.methods.kd import KD
from tutelage.run import optim
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.teacher.answer import LiveTeacher
from tutelage.training.distiller import Distiller
from tutelage.training.step import Step

TEACHER, STUDENT, CLASSES = "resnet56", "resnet20", 100
TEMPERATURE, ALPHA = 4.0, 0.9
Contender = Callable[[int], Any]


def plain(name: str, layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    """The network alone: from normalised images to logits."""
    return network(name, CLASSES).network.to(memory_format=layout)


def sgd(module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all."""
    return torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def tutorial(inputs: Tensor, labels: Tensor, layout: torch.memory_format) -> Contender:
    """docs.pytorch.org/tutorials/beginner/knowledge_distillation_tutorial.html."""
    teacher, student = plain(TEACHER, layout).eval(), plain(STUDENT, layout).train()
    optimizer, criterion = sgd(student), nn.CrossEntropyLoss()
    inputs = inputs.contiguous(memory_format=layout)

    def step(number: int) -> float:
        optimizer.zero_grad()
        with torch.no_grad():
            teacher_logits = teacher(inputs)
        student_logits = student(inputs)
        soft_targets = nn.functional.softmax(teacher_logits / TEMPERATURE, dim=-1)
        soft_prob = nn.functional.log_softmax(student_logits / TEMPERATURE, dim=-1)
        soft_loss = torch.sum(soft_targets * (soft_targets.log() - soft_prob)) / soft_prob.size()[0] * TEMPERATURE**2
        loss = ALPHA * soft_loss + (1 - ALPHA) * criterion(student_logits, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torchdistill_box(inputs: Tensor, labels: Tensor) -> Contender:
    """A DistillationBox, forward_process and post_forward_process as in its training scripts."""
    from torchdistill.core.distillation import DistillationBox

    places = {"module_path": ".", "module_io": "output"}
    kd: dict[str, Any] = {f"{who}_{key}": value for who in ("student", "teacher") for key, value in places.items()}
    loader = {
        "dataset_id": "train",
        "sampler": {"class_or_func": RandomSampler},
        "kwargs": {"batch_size": len(labels)},
    }
    config = {
        "num_epochs": 1,
        "train_data_loader": loader,
        "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
        "student": {"forward_proc": "forward_batch_only", "requires_grad": True},
        "optimizer": {"key": "SGD", "kwargs": {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}},
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {
                "sub_terms": {
                    "kd": {
                        "criterion": {
                            "key": "KDLoss",
                            "kwargs": kd | {"temperature": TEMPERATURE, "alpha": 1 - ALPHA, "reduction": "batchmean"},
                        },
                        "weight": 1.0,
                    }
                }
            },
        },
    }
    data = {"train": TensorDataset(inputs, labels)}
    box = DistillationBox(
        plain(TEACHER), plain(STUDENT), data, config, torch.device("cpu"), None, distributed=False, lr_factor=1
    )
    box.student_model.train()
    box.teacher_model.eval()

    def step(number: int) -> float:
        loss = box.forward_process(inputs, labels, {})
        box.post_forward_process(loss)
        return loss.item()

    return step


def timm_task(inputs: Tensor, labels: Tensor) -> Contender:
    """result = task(input, target); result["loss"].backward()."""
    from timm.task import LogitDistillationTask

    teacher, student = plain(TEACHER), plain(STUDENT)
    for net in (teacher, student):
        net.pretrained_cfg, net.num_classes, net.in_chans = {"mean": MEAN, "std": STD}, CLASSES, 3
    task = LogitDistillationTask(
        student_model=student,
        teacher_model=teacher,
        criterion=nn.CrossEntropyLoss(),
        task_loss_weight=1 - ALPHA,
        temperature=TEMPERATURE,
        verbose=False,
    )
    task.train()
    optimizer = sgd(student)

    def step(number: int) -> float:
        result = task(inputs, labels)
        optimizer.zero_grad()
        result["loss"].backward()
        optimizer.step()
        return result["loss"].item()

    return step


def main() -> None:
    """Prints and writes docs/results/peers.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    logging.getLogger("torchdistill").setLevel(logging.WARNING)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    fit, images = Fit(epochs=1000, batch_size=64), random_images(10_000, CLASSES)
    position = torch.arange(fit.batch_size)
    inputs, labels = ((images.plain(position) - 0.5) / 0.5).contiguous(), images.labels[position]
    fabric = Engine(device="cpu").fabric()
    with tempfile.TemporaryDirectory() as folder:
        cache = made_up_cache(Path(folder) / "caches", len(images), 1, {"logits": CLASSES})
        sizes = network(TEACHER, CLASSES).sizes()
        contenders = {
            "bare student": bare_step(network(STUDENT, CLASSES), images, fit),
            "tutelage, cached": cached_step(STUDENT, "kd", sizes, images, cache, fit, Path(folder), fabric),
            "tutelage, live": live_step(images, fit, fabric),
            "tutorial": tutorial(inputs, labels, torch.contiguous_format),
            "tutorial, channels_last": tutorial(inputs, labels, torch.channels_last),
            f"timm {importlib.metadata.version('timm')}": timm_task(inputs, labels),
        }
        try:
            name = f"torchdistill {importlib.metadata.version('torchdistill')}"
            contenders[name] = torchdistill_box(inputs, labels)
        except ImportError:
            print("torchdistill is not installed and left out: pip install 'tutelage[bench]'")
        seconds = interleaved(contenders, chosen.rounds, limit_s=chosen.limit)
    rows = {}
    for name, times in seconds.items():
        rows[name] = milliseconds(times) | {"ratio_to_cached": ratio(seconds, name, "tutelage, cached")}
        ratio_words = in_words(rows[name]["ratio_to_cached"])
        print(f"{name}: {rows[name]['median_ms']} ms, / tutelage from cached answers = {ratio_words}")
    print(write("peers", {"teacher": TEACHER, "student": STUDENT, "batch": fit.batch_size, "steps": rows}))


def live_step(images: Any, fit: Fit, fabric: Any) -> Contender:
    """Our step that asks the teacher itself."""
    net, method = network(STUDENT, CLASSES), KD(temperature=TEMPERATURE, alpha=ALPHA)
    distiller = Distiller(net, method, nn.Identity()).train()
    module, optimizer = fabric.setup(distiller, optim.optimizer(fit, distiller))
    plan = Plan(len(images), 1, 0, fit)
    recipe = Recipe(teacher=TeacherSpec(), method=method, fit=fit, views=1)
    teacher = LiveTeacher(network(TEACHER, CLASSES), frozenset({"logits"}))
    step = Step(fabric, recipe, plan, images.labels, teacher, module, optimizer)

    def run(number: int) -> Any:
        sample, view = plan.addresses(number % plan.steps)
        return step(number % plan.steps, images.view(sample, view, recipe.augment))

    return run


if __name__ == "__main__":
    main()
