"""Turns the facts of the pre-flight into warnings to read before paying a teacher, each with a way out."""

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch

from tutelage.data.place import few
from tutelage.data.splits import DataSet
from tutelage.measure.statistics import how_little
from tutelage.methods import method_name
from tutelage.methods.base import Method
from tutelage.methods.combine import Warmed
from tutelage.names import shown
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe
from tutelage.shares import percent

SATURATED = 0.05
"""Nats of entropy at the method's temperature below which a teacher's answers teach little beyond the label. The
published ResNet-56 has 0.02 on its training views at T = 1, where nothing was gained, and 0.6 at T = 4."""
OVERSURE = 0.1
"""Mean confidence on val above accuracy there. A choice: a head-tuned EfficientNet-lite0 whose ECE was 0.15
taught nothing that could be shown, one whose ECE was 0.06 is not warned of (docs/log.md)."""
UNSURE = 1 / 3
"""A share of what accuracy lies above chance: confidence that lies less above chance comes of logits that are all
small. Labels that were smoothed or mixed leave more (timm's ResNet-50 of arXiv:2110.00476, trained with them,
about a half)."""
FEW = 100
"""Images on which a network without an error is nothing remarkable."""
FAR_BELOW = 0.03
"""A share of accuracy beyond chance: how much less than recorded is another network, normalisation or data set."""
OF_THE_RATE = 5e-3
"""Weight decay from which on it is thought to be times the rate. A choice."""
PUBLISHED_EPOCHS = 240
"""Of nearly all trainings on CIFAR-100 that methods were published with."""
HEAVY = 4
"""Times its published weight from which on a term is said to be heavy. A choice: at 10 times and more students learnt
less than alone, or nothing (docs/results/methods.md)."""
SMALL = 64
"""Pixels a side up to which a network's reduction by 32 leaves too little of an image."""


def concerns(seen: dict[str, Any]) -> list[str]:
    """One sentence or two each, the gravest first.

    Args:
        seen: What `preflight.look` returns.
    """
    concerns = [text for text in map(_form, seen["teachers"]) if text]
    concerns += [text for teacher in seen["teachers"] for text in _identity(teacher, seen["classes"])]
    concerns += [text for text in map(_stem, [*seen["teachers"], seen["student"]]) if text]
    of_all = (_chance(seen), _baseline(seen), _oversure(seen), _unsure(seen), _saturated(seen), *_small(seen))
    return concerns + [text for text in of_all if text]


def beforehand(recipe: Recipe, dataset: DataSet) -> list[str]:
    """What can be seen without asking a network, a sentence each."""
    of_images = [text for text in (how_little(len(dataset.val)), *thin(dataset)) if text]
    return of_images + of_numbers(recipe, len(dataset.classes))


def of_numbers(recipe: Recipe, classes: int) -> list[str]:
    """What is said of a recipe's weights, warm-ups and weight decay for so many classes, a sentence each."""
    of_method = heavy(recipe.method, classes, recipe.fit.batch_size) + unfinished(recipe.method, recipe.fit.epochs)
    return [text for text in (decay(recipe.fit), *of_method) if text]


def decay(fit: Fit) -> str:
    """A weight decay that was made for another optimiser, where it is; else nothing."""
    if fit.optimizer in ("muon", "adamw") or fit.weight_decay < OF_THE_RATE:
        return ""
    return (
        f"fit.weight_decay = {fit.weight_decay:g} is usual for muon and adamw, which take it times the rate; for "
        f"{fit.optimizer} 1e-4 to 1e-3 are: --fit.weight_decay 5e-4"
    )


def heavy(method: Method, classes: int, batch_size: int) -> list[str]:
    """Weights that were published for more classes or smaller batches, where their term outweighs all else here.

    Args:
        method: Also one that is made of others.
        classes: Of the data set.
        batch_size: Images a step.
    """
    found = []
    for part, flag in _each(method):
        published = {weight: getattr(type(part), weight.field) for weight in part.claims.published}
        times = {weight: weight.times(classes, batch_size) for weight in published}
        far = [w for w in published if getattr(part, w.field) * times[w] >= HEAVY * published[w]]
        if not far:
            continue
        heavier = " and ".join(f"{weight.field} counts {times[weight]:.3g} times" for weight in far)
        instead = " ".join(f"{flag}.{weight.field} {published[weight] / times[weight]:.2g}" for weight in far)
        here = f"{classes} classes" + (f" and batches of {batch_size}" if any(w.by_batch for w in far) else "")
        found.append(
            f"{method_name(part)}'s weights were published for {far[0].condition()}: with {here}, {heavier} as much "
            f"beside the labels, and the student may learn less than alone; to undo that: {instead}"
        )
    return found


def unfinished(method: Method, epochs: int) -> list[str]:
    """Warm-ups that take half of the training or more, so that the teacher's terms reach their weight late or never.

    Args:
        method: Also one that is made of others.
        epochs: Of the training.
    """
    found = []
    for part, flag in _each(method):
        name = "epochs" if isinstance(part, Warmed) else "warm_up"
        warm_up, published = (getattr(of, name, 0.0) for of in (part, type(part)))
        if warm_up and 2 * warm_up >= epochs:
            share = min(warm_up, published) * epochs / PUBLISHED_EPOCHS
            found.append(
                f"{method_name(part)} warms up for {warm_up:g} epochs and this training has {epochs}, so that its "
                f"teacher counts little; papers train for {PUBLISHED_EPOCHS}, and the same share of {epochs} is "
                f"{flag}.{name} {share:.2g}"
            )
    return found


def _each(method: Method, flag: str = "--method") -> Iterator[tuple[Method, str]]:
    """The methods that one is made of, and itself, each with what sets its fields."""
    for field in fields(method):
        if isinstance(part := getattr(method, field.name), Method):
            yield from _each(part, f"{flag}.{field.name}")
    yield method, flag


def thin(dataset: DataSet) -> list[str]:
    """What classes of very few images mean for training and for what is measured, a sentence each."""
    of_train, of_val = (
        torch.bincount(split.labels[split.labels >= 0], minlength=len(dataset.classes)).tolist()
        for split in (dataset.train, dataset.val)
    )
    single = [f"{shown(name)} ({count})" for name, count in zip(dataset.classes, of_train, strict=True) if count < 3]
    unseen = [shown(name) for name, count in zip(dataset.classes, of_val, strict=True) if not count]
    sentences = {
        f"training images of {few(single)} are too few to learn from: add some, or remove the class": single,
        f"no val image is of {few(unseen)}: no number on val speaks of it; add some, or remove the class": unseen,
    }
    return [sentence for sentence, classes in sentences.items() if classes]


def _form(teacher: dict[str, Any]) -> str:
    """Does it answer with logits?"""
    name, last = teacher["name"], "let it return the logits, what its last linear layer gives"
    return {
        "": "",
        "probabilities": f"{name} answers with probabilities: it ends in a softmax, and the loss would apply another, "
        f"so that its answers are far too soft; {last}",
        "log-probabilities": f"{name} answers with log-probabilities: it ends in a log-softmax. Methods that compare "
        f"probabilities, such as kd and dkd, see no difference; those that compare logits (logit_mse, srrl) do; {last}",
        "sigmoids": f"{name} answers with numbers from 0 to 1 for every class: it ends in a sigmoid, and the loss "
        f"would apply a softmax to them; {last}",
    }[teacher["form"]]


def _identity(teacher: dict[str, Any], classes: list[str]) -> list[str]:
    """Is it the network that its weights were made for, with the classes that they were made for?"""
    concerns = []
    name, known, recorded = teacher["name"], teacher["classes"], teacher["recorded"]
    if teacher["made_for"] and teacher["made_for"] != name:
        concerns.append(
            f"{teacher['weights']} says it was made for {teacher['made_for']}, not {name}: names and shapes fit, "
            f"numbers may not; try {teacher['flag']} {teacher['made_for']}"
        )
    if teacher["twins"] and not teacher["made_for"]:
        twin = teacher["twins"][0]
        concerns.append(
            f"{teacher['weights']} fits {name} and {twin} alike (they differ in padding and BatchNorm's eps) and does "
            f"not say which it was made for; compare its accuracy with {teacher['flag']} {twin}"
        )
    if known and sorted(known) != sorted(classes):
        differing = [(i, k, c) for i, (k, c) in enumerate(zip(known, classes, strict=False)) if k != c]
        number, theirs, ours = differing[0]
        concerns.append(
            f"{name} calls {len(differing)} of {len(classes)} classes otherwise: class {number} is "
            f'"{theirs}" to it and "{ours}" in the data; is it the same thing?'
        )
    if recorded is not None and teacher["val"]["top1"] < recorded - FAR_BELOW - 2 * _error(teacher["val"]):
        concerns.append(
            f"{name} reached {percent(recorded)} on val when it was trained, and "
            f"{percent(teacher['val']['top1'])} here: "
            "are its input size, its normalisation and the images the same?"
        )
    return concerns


def _stem(network: dict[str, Any]) -> str:
    size, deepest = network["size"], network["deepest"]
    if deepest is None or size > SMALL or size // deepest < 32:
        return ""
    return (
        f"{network['name']} has a stem for large images: of {size} pixels a side its last stage leaves {deepest}; "
        "let it resize them (model.size = 128 or more), or take a network with a stem for 32 pixels (resnet50_cifar)"
    )


def _chance(seen: dict[str, Any]) -> str:
    top1, classes, images = seen["val"]["top1"], len(seen["classes"]), seen["val"]["images"]
    if top1 >= _hardly_better(classes) or not _tells(round(top1 * images), images, classes):
        return ""
    return (
        f"the teacher is right on {percent(top1)} of val, chance is {percent(1 / classes)}: "
        "are its normalisation, its input size and the order of its classes those of this data set?"
    )


def _hardly_better(classes: int) -> float:
    """Accuracy below which a teacher may be guessing: twice chance, with few classes less than that."""
    chance = 1 / classes
    return chance + min(chance, (1 - chance) / 4)


def _tells(right: int, images: int, classes: int) -> bool:
    """Whether so few right answers are no accident: a teacher halfway between chance and perfect gives them in less
    than one set of images in twenty."""
    from scipy.stats import binom

    return bool(binom.cdf(right, images, (1 + 1 / classes) / 2) < 0.05)


def _baseline(seen: dict[str, Any]) -> str:
    alone = seen["baseline"]
    if alone is None:
        return ""
    top1, images = alone["top1"], seen["val"]["images"]
    lead = seen["val"]["top1"] - top1
    # The same images, but other networks: as if they erred independently.
    if lead > 2 * math.hypot(_error(seen["val"]), _error({"top1": top1, "images": images})):
        return ""
    runs = "1 finished run" if alone["runs"] == 1 else f"{alone['runs']} finished runs"
    return (
        f"the student alone reaches {percent(top1)} on val ({runs}), the teacher "
        f"{percent(seen['val']['top1'])}: on {images:,} images that is not clearly better; "
        "a larger or longer trained teacher, or an ensemble, has more to teach"
    )


def _oversure(seen: dict[str, Any]) -> str:
    confidence, top1 = seen["val"]["confidence"], seen["val"]["top1"]
    if _chance(seen) or confidence - top1 <= OVERSURE + 2 * _error(seen["val"]):
        return ""
    return (
        f"the teacher is {percent(confidence, 0)} sure on val and right on {percent(top1, 0)}: the student will "
        "learn its errors as certainties; train it longer or otherwise, or raise method.temperature"
    )


def _unsure(seen: dict[str, Any]) -> str:
    confidence, top1, chance = seen["val"]["confidence"], seen["val"]["top1"], 1 / len(seen["classes"])
    above = top1 - 2 * _error(seen["val"]) - chance
    if any(teacher["form"] for teacher in seen["teachers"]) or above <= 0 or confidence - chance >= UNSURE * above:
        return ""
    return (
        f"the teacher is right on {percent(top1, 0)} of val and only {percent(confidence, 0)} sure "
        f"(guessing: {percent(chance, 0)}): its logits are all small (cosines without a "
        "scale, say), so that its answers teach little; let it multiply "
        "them, or lower method.temperature"
    )


def _saturated(seen: dict[str, Any]) -> str:
    by_split = {
        split: {times: s["entropy"] for times, s in softness.items()} for split, softness in seen["softness"].items()
    }
    if by_split["train"][1] >= SATURATED:
        return ""
    where = "training views and on val" if by_split["val"][1] < SATURATED else "training views, though not on val"
    temperature = seen["temperature"]
    hotter = ", ".join(f"{entropy:.2g} at T = {times * temperature:g}" for times, entropy in by_split["train"].items())
    return (
        f"the teacher's answers are almost one-hot at T = {temperature:g} on {where}: "
        "little is left to teach beyond the label. "
        f"A higher method.temperature helps (entropy in nats: {hotter}), and augment.mix, or images that are new to it"
    )


def _small(seen: dict[str, Any]) -> list[str]:
    concerns = []
    if sum(teacher["parameters"] for teacher in seen["teachers"]) <= seen["student"]["parameters"]:
        concerns.append(
            "the teacher has no more parameters than the student: a larger one usually has more to teach (--teacher)"
        )
    if not seen["val_held_out"] and seen["val"]["nll"] < 0.02 and seen["val"]["images"] >= FEW:
        concerns.append(
            "the teacher's NLL on val is near 0: it was probably trained on those images, so val flatters it"
        )
    return concerns


def _error(measured: dict[str, Any]) -> float:
    """Standard error of an accuracy."""
    return math.sqrt(measured["top1"] * (1 - measured["top1"]) / measured["images"])
