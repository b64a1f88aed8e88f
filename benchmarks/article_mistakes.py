"""What each mistake of the popular tutorial costs: one loop in its style, each mistake a switch, all else equal.

The article's numbers (T = 1, alpha = 0.5, Adam 1e-3, batch 64) and paired seeds, on two small sets of images, so that
all fits in minutes on one thread. Handwritten digits: resnet20, trained first, teaches resnet8; nothing is needed but
this repository. 5,000 images of CIFAR-10: the published ResNet-8 of MLPerf Tiny, whose answers are not one-hot,
teaches a resnet8 that sees 16 pixels; and for BatchNorm EfficientNet-lite0 with its ImageNet weights gets a new head.
A fifth of val is what the program chooses its epochs on, the rest is what is reported; the test split stays shut. One
line a finished cell: resumable.

    python benchmarks/article_mistakes.py digits --seeds 0 1 2 3 4 5 6 7 8 9
    python benchmarks/article_mistakes.py cifar10 --data-root DIR \\
        --teacher weights/cifar10_resnet8_mlperftiny.safetensors \\
        --backbone weights/imagenet_tf_efficientnet_lite0.safetensors
    python benchmarks/article_mistakes.py page
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

import article_pages
import lite0
from _common import RESULTS, write
from tutelage import Engine, data, files, rng, train
from tutelage.data import Data
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.measure.classifier import predict
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.models.tap import Tapped
from tutelage.run import optim
from tutelage.run.builtin import built_in
from tutelage.run.network import build_for
from tutelage.run.optim import Fit
from tutelage.run.plan import Plan
from tutelage.run.process import Process
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.teacher.cache import TeacherCache

MISTAKES = ("by_batch_number", "kl_by_classes", "new_adam", "reload_best", "no_augmentation")
"""The switches of the student's loop."""
CELLS: dict[str, frozenset[str]] = (
    {"right": frozenset()} | {name: frozenset({name}) for name in MISTAKES} | {"all": frozenset(MISTAKES)}
)
ALONE = {"alone": frozenset(), "alone, no augmentation": frozenset({"no_augmentation"})}
"""The same student without a teacher."""
NUMBERS = Fit(
    epochs=8, batch_size=64, optimizer="adam", learning_rate=1e-3, weight_decay=0.0, schedule="constant", warm_up=0.0
)
"""The article's optimiser; fewer epochs."""
BACKBONE_SIZE, HEAD_EPOCHS = 64, 2
"""Of the comparison of the backbone's modes, in which every step runs the backbone."""


def digits() -> Recipe:
    """The article's lesson as it was meant, on handwritten digits; half of them for val."""
    base = built_in("digits")
    return replace(
        base, data=Data("digits", val_share=0.5), method=KD(temperature=1.0, alpha=0.5), fit=NUMBERS, views=4
    )


def cifar10(teacher: str) -> Recipe:
    """The same on a part of CIFAR-10."""
    return Recipe(
        data=Data("cifar10", part=5000),
        student=Model("resnet8", size=16),
        teacher=TeacherSpec(Model("mlperf_tiny_resnet8", weights=teacher)),
        method=KD(temperature=1.0, alpha=0.5),
        fit=NUMBERS,
        views=4,
    )


class Learnt(NamedTuple):
    """What came out of one run of the loop."""

    last: Tapped
    best: Tapped
    """Of the epoch that was most accurate on the images that epochs are chosen on."""
    curve: list[float]
    """Top-1 on those images after each epoch."""
    answers_right: float | None
    """Share of the teacher's answers, as the loop saw them, whose top-1 is the label; None without a teacher."""


def learn(
    recipe: Recipe,
    dataset: DataSet,
    chosen_on: MemoryImages,
    cache: TeacherCache | None,
    mistakes: Iterable[str],
    *,
    half: bool = True,
) -> Learnt:
    """The tutorial's loop. With no mistake in it, it is `tutelage.train` weight for weight (a test says so).

    Args:
        recipe: A student, and kd; `cache` None leaves the teacher out.
        dataset: The images.
        chosen_on: Those on which the best epoch is chosen.
        cache: The teacher's answers, under (sample, view).
        mistakes: Names of MISTAKES; "no_augmentation" is the recipe's affair.
        half: bfloat16 in the student's forward pass.
    """
    mistakes, images, kd = set(mistakes), dataset.train, recipe.method
    assert isinstance(kd, KD)
    plan = Plan(len(images), recipe.views, recipe.seed, recipe.fit)
    student = build_for(recipe.student, dataset, recipe.seed).to(memory_format=torch.channels_last)
    optimizer = optim.optimizer(recipe.fit, student)
    best, curve, hits = copy.deepcopy(student), [], 0
    recorded: list[torch.Tensor] = []
    if cache is not None and "by_batch_number" in mistakes:
        before = replace(plan, seed=plan.seed + 1000)  # the loader's order when the teacher was asked
        orders = [before.addresses(step)[0] for step in range(plan.steps_per_epoch)]
        recorded = [cache.answers(order, torch.full_like(order, plan.view(0))).logits for order in orders]

    for epoch in range(recipe.fit.epochs):
        if "new_adam" in mistakes:
            optimizer = optim.optimizer(recipe.fit, student)
        student.train()
        for number in range(plan.steps_per_epoch):
            sample, view = plan.addresses(epoch * plan.steps_per_epoch + number)
            labels = images.labels[sample]
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = student(images.view(sample, view, recipe.augment).pixels).logits
            loss = F.cross_entropy(logits.float(), labels)
            if cache is not None:
                answers = recorded[number] if recorded else cache.answers(sample, view).logits
                hits += int((answers.argmax(1) == labels).sum())
                log_q = F.log_softmax(logits.float() / kd.temperature, dim=1)
                log_p = F.log_softmax(answers / kd.temperature, dim=1)
                kl = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * kd.temperature**2
                if "kl_by_classes" in mistakes:  # torch's default, reduction="mean"
                    kl = kl / logits.shape[1]
                loss = (1 - kd.alpha) * loss + kd.alpha * kl
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        curve.append(top1(student, chosen_on))
        if curve[-1] == max(curve):
            best.load_state_dict(student.state_dict())
        elif "reload_best" in mistakes:
            student.load_state_dict(best.state_dict())
    images_seen = plan.steps * recipe.fit.batch_size
    return Learnt(student, best, curve, None if cache is None else hits / images_seen)


def top1(network: Tapped, images: MemoryImages) -> float:
    """Accuracy in per cent."""
    return 100 * (predict(network, images).argmax(1) == images.labels).float().mean().item()


def part(images: MemoryImages, position: torch.Tensor) -> MemoryImages:
    """Some of the images."""
    return MemoryImages(images.images[position], images.labels[position])


def head_in_train_mode(recipe: Recipe, dataset: DataSet) -> dict[str, float]:
    """A head trained on a backbone whose weights are frozen and whose BatchNorm is not."""
    plan = Plan(len(dataset.train), recipe.views, recipe.seed, recipe.fit)
    network = build_for(recipe.student, dataset, recipe.seed, learns=True)
    network = network.to(memory_format=torch.channels_last).requires_grad_(requires_grad=False)
    head = network.network.get_submodule(network.head).requires_grad_(requires_grad=True)
    optimizer = optim.optimizer(recipe.fit, head)
    network.train()
    for step in range(plan.steps):
        sample, view = plan.addresses(step)
        logits = network(dataset.train.view(sample, view, recipe.augment).pixels).logits
        F.cross_entropy(logits, dataset.train.labels[sample]).backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {"val_top1": top1(network, dataset.val)}

    # Never put into eval mode, as in a program without eval(): what it says of an image depends on its neighbours.
    network.train()
    position = rng.permutation(0, 0, len(dataset.val))[:2000]
    told = []
    with torch.no_grad():
        for order in (torch.arange(2000), rng.permutation(1, 0, 2000)):
            answers = [network(dataset.val.plain(position[batch])).logits.argmax(1) for batch in order.split(64)]
            told.append(torch.cat(answers)[order.argsort()])
    right = [(answer == dataset.val.labels[position]).float().mean().item() for answer in told]
    changed = (told[0] != told[1]).float().mean().item()
    return moved | {"train_mode_top1": 100 * statistics.mean(right), "train_mode_changed": 100 * changed}


class Cells:
    """A file with one line for each finished cell of a data set."""

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name

    def __call__(self, cell: str, seed: int, work: Callable[[], dict[str, Any]]) -> None:
        """Does a cell that is not there yet."""
        address = {"data": self.name, "cell": cell, "seed": seed}
        if any(line.items() >= address.items() for line in files.read_lines(self.path)):
            return
        begun = time.process_time()
        found = {key: value if value is None else round(value, 3) for key, value in work().items()}
        line = address | found | {"cpu_s": round(time.process_time() - begun, 1)}
        files.append_line(self.path, line)
        print(line, flush=True)


def measure_students(recipe: Recipe, dataset: DataSet, cells: Cells, seeds: list[int], runs: Path) -> None:
    """The cells of the student's loop that are missing, seed by seed."""
    order = rng.permutation(0, 0, len(dataset.val))
    fifth = len(order) // 5
    chosen_on, reported = part(dataset.val, order[:fifth]), part(dataset.val, order[fifth:])

    def learn_one(recipe: Recipe, mistakes: frozenset[str], *, taught: bool) -> dict[str, Any]:
        if "no_augmentation" in mistakes:
            recipe = replace(recipe, augment=lite0.PLAIN, views=1)
        cache = lessons.prepare(recipe, dataset, Workspace(runs), Process()).caches[0] if taught else None
        learnt = learn(recipe, dataset, chosen_on, cache, mistakes)
        return {
            "val_top1": top1(learnt.last, reported),
            "best_val_top1": top1(learnt.best, reported),
            "last_chosen_on": learnt.curve[-1],
            "best_chosen_on": max(learnt.curve),
            "answers_right": None if learnt.answers_right is None else 100 * learnt.answers_right,
        }

    for seed in seeds:
        seeded = replace(recipe, seed=seed)
        for group, taught in ((CELLS, True), (ALONE, False)):
            for name, mistakes in group.items():
                cells(name, seed, lambda r=seeded, m=mistakes, taught=taught: learn_one(r, m, taught=taught))


def measure_backbones(backbone: str, dataset: DataSet, cells: Cells, seeds: list[int], workspace: Workspace) -> None:
    """The cells of the backbone's modes that are missing."""

    def tuned(seed: int, *, train_mode: bool) -> dict[str, Any]:
        recipe = lite0.head(backbone, size=BACKBONE_SIZE)
        recipe = replace(recipe, fit=replace(recipe.fit, epochs=HEAD_EPOCHS), seed=seed)
        if train_mode:
            return head_in_train_mode(recipe, dataset)
        return {"val_top1": 100 * train(recipe, workspace).curve("val", "top1")[-1][1]}

    for seed in seeds:
        cells("head, eval mode", seed, lambda seed=seed: tuned(seed, train_mode=False))
        cells("head, train mode", seed, lambda seed=seed: tuned(seed, train_mode=True))


def main() -> None:
    """Measures what is missing of a data set, or writes docs/results/article_mistakes.json and .md of what is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["digits", "cifar10", "page"])
    parser.add_argument("--teacher", default="")
    parser.add_argument("--backbone", default="")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/article"))
    chosen = parser.parse_args()
    lines = chosen.runs / "article_mistakes.jsonl"
    if chosen.what != "page":
        recipe = digits() if chosen.what == "digits" else cifar10(chosen.teacher)
        workspace = Workspace(chosen.runs, chosen.data_root, Engine(device="cpu", threads=1))
        for own in recipe.of_teachers:
            trained = train(own, workspace)
            recipe = replace(recipe, teacher=TeacherSpec(Model(trained.recipe.student.name, weights=str(trained.path))))
        dataset, cells = data.load(recipe.data, chosen.data_root), Cells(lines, chosen.what)
        torch.set_num_threads(1)
        measure_students(recipe, dataset, cells, chosen.seeds, chosen.runs)
        if chosen.backbone:
            measure_backbones(chosen.backbone, dataset, cells, chosen.seeds, workspace)
        return
    told = article_pages.result(files.read_lines(lines))
    print(write("article_mistakes", told))
    (RESULTS / "article_mistakes.md").write_text(article_pages.page(told))


if __name__ == "__main__":
    main()
