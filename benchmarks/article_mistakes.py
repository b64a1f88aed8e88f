"""What each mistake of the popular tutorial costs: one loop in its style, each mistake a switch, all else equal.

5,000 images of CIFAR-10, the article's numbers (T = 1, alpha = 0.5, Adam 1e-3, batch 64), paired seeds. For mistakes
in the student's loop the teacher is the published ResNet-8 of MLPerf Tiny, whose answers are not one-hot, and the
student a resnet8 that sees 16 pixels, so that all fits in minutes; for BatchNorm it is EfficientNet-lite0 with its
ImageNet weights. Of val, 1,000 images are what the program chooses epochs on, and the other 4,000 what is reported; the
test split stays shut. One line a finished cell: resumable.

    python benchmarks/article_mistakes.py --data-root DIR --teacher weights/cifar10_resnet8_mlperftiny.safetensors \
        --backbone weights/imagenet_tf_efficientnet_lite0.safetensors
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

import lite0
from _common import RESULTS, write
from tutelage import Engine, data, files, optim, rng, teaching, train
from tutelage.cache import TeacherCache
from tutelage.data.memory import MemoryImages
from tutelage.data.splits import DataSet
from tutelage.evaluate import predict
from tutelage.methods.kd import KD
from tutelage.models import Model
from tutelage.models.tap import Tapped
from tutelage.plan import Plan
from tutelage.recipe import Recipe, TeacherSpec
from tutelage.statistics import paired_gain

MISTAKES = {
    "by_batch_number": "the teacher's answers kept by batch number, the loader shuffled anew",
    "kl_by_classes": "KL divided by the batch *and* the ten classes",
    "new_adam": "a new Adam every epoch",
    "reload_best": "the best epoch's weights loaded back before the next epoch",
    "no_augmentation": "no augmentation",
}
"""The switches of the student's loop."""
CELLS: dict[str, frozenset[str]] = (
    {"right": frozenset()} | {name: frozenset({name}) for name in MISTAKES} | {"all": frozenset(MISTAKES)}
)
ALONE = {"alone": frozenset(), "alone, no augmentation": frozenset({"no_augmentation"})}
"""The same student without a teacher."""
CHOSEN_ON = 1000
"""Images of val on which the program chooses its best epoch."""
TEACHER, STUDENT, VIEWS = "mlperf_tiny_resnet8", Model("resnet8", size=16), 4
BACKBONE_SIZE, HEAD_EPOCHS = 64, 2
"""Of the comparison of the backbone's modes, in which every step runs the backbone."""


def right(teacher: str, seed: int, epochs: int) -> Recipe:
    """The article's lesson as it was meant, on views."""
    fit = replace(lite0.head("").fit, epochs=epochs)
    spec = TeacherSpec(Model(TEACHER, weights=teacher))
    method = KD(temperature=1.0, alpha=0.5)
    return Recipe(data=lite0.DATA, student=STUDENT, teacher=spec, method=method, fit=fit, views=VIEWS, seed=seed)


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
    student = teaching.build_for(recipe.student, dataset, recipe.seed).to(memory_format=torch.channels_last)
    optimizer = optim.optimizer(recipe.fit, student)
    best, curve, hits = copy.deepcopy(student), [], 0
    kept: list[torch.Tensor] = []
    if cache is not None and "by_batch_number" in mistakes:
        before = replace(plan, seed=plan.seed + 1000)  # the loader's order when the teacher was asked
        orders = [before.addresses(step)[0] for step in range(plan.steps_per_epoch)]
        kept = [cache.answers(order, torch.full_like(order, plan.view(0))).logits for order in orders]

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
                answers = kept[number] if kept else cache.answers(sample, view).logits
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
    network = teaching.build_for(recipe.student, dataset, recipe.seed, learns=True)
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
    """A file with one line for each finished cell."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, name: str, seed: int, work: Callable[[], dict[str, Any]]) -> None:
        """Does a cell that is not there yet."""
        if any((line["cell"], line["seed"]) == (name, seed) for line in files.read_lines(self.path)):
            return
        begun = time.process_time()
        found = {name: value if value is None else round(value, 3) for name, value in work().items()}
        line = {"cell": name, "seed": seed} | found | {"cpu_s": round(time.process_time() - begun, 1)}
        files.append_line(self.path, line)
        print(line, flush=True)


def measure_cells(
    teacher: str, backbone: str, seeds: list[int], epochs: int, runs: Path, data_root: str | None
) -> None:
    """Every cell that is missing, seed by seed."""
    dataset = data.load(lite0.DATA, data_root)
    order = rng.permutation(0, 0, len(dataset.val))
    chosen_on, reported = part(dataset.val, order[:CHOSEN_ON]), part(dataset.val, order[CHOSEN_ON:])
    cell = Cells(runs / "article_mistakes.jsonl")
    exact = Engine(device="cpu", threads=1)
    torch.set_num_threads(1)

    def student(recipe: Recipe, mistakes: frozenset[str], *, teacher: bool) -> dict[str, Any]:
        if "no_augmentation" in mistakes:
            recipe = replace(recipe, augment=lite0.PLAIN, views=1)
        plan = Plan(len(dataset.train), recipe.views, recipe.seed, recipe.fit)
        cache = teaching.prepare(recipe, plan, dataset, runs).cache if teacher else None
        learnt = learn(recipe, dataset, chosen_on, cache, mistakes)
        return {
            "val_top1": top1(learnt.last, reported),
            "best_val_top1": top1(learnt.best, reported),
            "last_chosen_on": learnt.curve[-1],
            "best_chosen_on": max(learnt.curve),
            "answers_right": None if learnt.answers_right is None else 100 * learnt.answers_right,
        }

    def tuned(seed: int, *, train_mode: bool) -> dict[str, Any]:
        recipe = lite0.head(backbone, size=BACKBONE_SIZE)
        recipe = replace(recipe, fit=replace(recipe.fit, epochs=HEAD_EPOCHS), seed=seed)
        if train_mode:
            return head_in_train_mode(recipe, dataset)
        run = train(recipe, engine=exact, runs=runs, data_root=data_root)
        return {"val_top1": 100 * run.curve("val", "top1")[-1][1]}

    for seed in seeds:
        recipe = right(teacher, seed, epochs)
        for cells, taught in ((CELLS, True), (ALONE, False)):
            for name, mistakes in cells.items():
                cell(name, seed, lambda r=recipe, m=mistakes, taught=taught: student(r, m, teacher=taught))
    for seed in seeds:
        cell("head, eval mode", seed, lambda seed=seed: tuned(seed, train_mode=False))
        cell("head, train mode", seed, lambda seed=seed: tuned(seed, train_mode=True))


def result(lines: list[dict[str, Any]], epochs: int) -> dict[str, Any]:
    """What docs/results/article_mistakes.json holds: every cell by seed, and what each lost against the right one."""
    cells: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(line["cell"] for line in lines):
        rows = sorted((line for line in lines if line["cell"] == name), key=lambda line: line["seed"])
        keys = [key for key in rows[0] if key != "cell" and rows[0][key] is not None]
        cells[name] = {key: [row[key] for row in rows] for key in keys}
    for name, row in cells.items():
        against = "head, eval mode" if name.startswith("head") else "right"
        pairs = dict(zip(cells[against]["seed"], cells[against]["val_top1"], strict=True))
        shared = [(top1, pairs[seed]) for seed, top1 in zip(row["seed"], row["val_top1"], strict=True) if seed in pairs]
        if name != against:
            gain = paired_gain(*map(list, zip(*shared, strict=True)))
            numbers = {key: gain[key] for key in ("mean", "n", "low", "high")}
            row["against_right"] = {k: value if value is None else round(value, 3) for k, value in numbers.items()}
    told = {"train": lite0.DATA.part, "chosen_on": CHOSEN_ON, "reported": 5000 - CHOSEN_ON, "epochs": epochs}
    head = {"backbone_size": BACKBONE_SIZE, "head_epochs": HEAD_EPOCHS, "head_val": 5000}
    return told | {"views": VIEWS} | head | {"cells": cells}


WORDS = MISTAKES | {
    "right": "**none: the article's lesson as it was meant**",
    "all": "all five: the article as it is written",
    "alone": "no teacher",
    "alone, no augmentation": "no teacher, no augmentation",
    "head, eval mode": "**none: frozen backbone in eval mode**",
    "head, train mode": "frozen backbone in train mode, then eval mode",
}


def page(told: dict[str, Any]) -> str:
    """docs/results/article_mistakes.md."""
    cells = told["cells"]
    lines = [
        "# What each mistake of the article costs",
        "",
        "`python benchmarks/article_mistakes.py`: the published ResNet-8 of MLPerf Tiny teaches resnet8 (which sees 16 "
        f"pixels: minutes on one thread) on {told['train']:,} images of CIFAR-10, "
        f"{told['epochs']} epochs, T = 1, alpha = 0.5, Adam 1e-3, batch 64; "
        f"crop and flip, {told['views']} views, unless the row says otherwise. Accuracy of the last weights on "
        f"{told['reported']:,} images of val; the test split was not opened. Differences are paired by seed, with a "
        "95 % t-interval from 3 seeds on.",
        "",
        "| mistake | val top-1 | against none | teacher's answers that name the image's class | n |",
        "|---|---|---|---|---|",
    ]
    for name in (*CELLS, *ALONE):
        if name in cells:
            right = f"{statistics.mean(cells[name]['answers_right']):.1f} %" if "answers_right" in cells[name] else ""
            lines.append(
                f"| {WORDS[name]} | {spread(cells[name])} | {against(cells[name])} | {right} | {n(cells[name])} |"
            )
    none = cells["right"]
    promised = [best - last for best, last in zip(none["best_chosen_on"], none["last_chosen_on"], strict=True)]
    kept = [best - last for best, last in zip(none["best_val_top1"], none["val_top1"], strict=True)]
    lines += [
        "",
        "## The best epoch, chosen on the images that are reported",
        "",
        f"In the first row's runs, the epoch that is best on {told['chosen_on']:,} images beats the last epoch by "
        f"{statistics.mean(promised):.2f} points on those images, and by {statistics.mean(kept):.2f} on the other "
        f"{told['reported']:,}: the difference was luck.",
        "",
        "## BatchNorm of the frozen backbone",
        "",
        f"A new head on the frozen EfficientNet-lite0 (published ImageNet weights), {told['head_epochs']} epochs at "
        f"{told['backbone_size']} pixels on the same images; val top-1 on {told['head_val']:,}.",
        "",
        "| mistake | val top-1 | against none | n |",
        "|---|---|---|---|",
    ]
    for name in ("head, eval mode", "head, train mode"):
        lines.append(f"| {WORDS[name]} | {spread(cells[name])} | {against(cells[name])} | {n(cells[name])} |")
    moving = cells["head, train mode"]
    lines += [
        "",
        f"Left in train mode when it is asked, it is right on {statistics.mean(moving['train_mode_top1']):.2f} % of "
        f"2,000 of these images, and {statistics.mean(moving['train_mode_changed']):.1f} % of its answers change when "
        "the same images come in batches of other neighbours.",
    ]
    return "\n".join(lines) + "\n"


def spread(row: dict[str, Any]) -> str:
    """Mean and standard deviation over the seeds."""
    top1 = row["val_top1"]
    return f"{statistics.mean(top1):.2f}" + (f" +- {statistics.stdev(top1):.2f} %" if len(top1) > 1 else " %")


def against(row: dict[str, Any]) -> str:
    """The paired difference in points, with its interval where there is one."""
    if "against_right" not in row:
        return ""
    gain = row["against_right"]
    return f"{gain['mean']:+.2f}" + ("" if gain["low"] is None else f" ({gain['low']:+.2f} to {gain['high']:+.2f})")


def n(row: dict[str, Any]) -> int:
    """Seeds."""
    return len(row["seed"])


def main() -> None:
    """Measures what is missing, then writes docs/results/article_mistakes.json and article_mistakes.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--data-root")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--runs", type=Path, default=Path("runs/article"))
    parser.add_argument("--no-training", action="store_true", help="write the page of what is done")
    chosen = parser.parse_args()
    if not chosen.no_training:
        measure_cells(chosen.teacher, chosen.backbone, chosen.seeds, chosen.epochs, chosen.runs, chosen.data_root)
    told = result(files.read_lines(chosen.runs / "article_mistakes.jsonl"), chosen.epochs)
    print(write("article_mistakes", told))
    (RESULTS / "article_mistakes.md").write_text(page(told))


if __name__ == "__main__":
    main()
