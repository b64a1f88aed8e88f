"""Before any lesson: is the teacher the one that was meant, and is it worth its lessons?"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage import data, progress, rng, teaching
from tutelage.data.splits import DataSet
from tutelage.engine import Engine
from tutelage.evaluate import measure
from tutelage.models.count import macs, parameters
from tutelage.models.tap import Tapped
from tutelage.plan import Plan
from tutelage.recipe import Recipe
from tutelage.training import train

SAMPLE = 1000
"""Training images that are looked at, in their first view."""
SATURATED = 0.01
"""Nats of entropy at the method's temperature below which a teacher's answers teach little beyond the label."""


def trial(*recipes: Recipe, engine: Engine, runs: Path, data_root: Path | None = None) -> None:
    """Tries what a mistake in a recipe can break before the first file is written: images, views, networks, weights.

    Args:
        recipes: Of the same images.
        engine: Where they would run.
        runs: The folder of all runs.
        data_root: Where the data sets are.

    Raises:
        UserError: one of them cannot be trained.
    """
    engine.fabric()
    dataset = data.load(recipes[0].data, data_root)
    for recipe in recipes:
        own = recipe.of_teacher
        for run in (recipe, own):
            if run is not None:
                plan = Plan(len(dataset.train), run.views, run.seed, run.fit)
                dataset.train.view(*plan.addresses(0), run.augment)
        student = teaching.build_for(recipe.student, dataset, recipe.seed, learns=True)
        if recipe.teacher is not None:
            model = own.student if own is not None else teaching.teacher_model(recipe, runs)
            teacher = teaching.build_for(model, dataset, recipe.teacher.seed, learns=own is not None)
            recipe.method.adapters(student.sizes(), teacher.sizes(), len(dataset.train))


def before_training(
    recipe: Recipe, *, engine: Engine | None = None, runs: Path | str = "runs", data_root: Path | str | None = None
) -> dict[str, Any] | None:
    """Trains the teacher where that is asked for, looks at it, says what it sees; None without a teacher.

    Raises:
        UserError: the teacher cannot teach these classes.
    """
    if recipe.teacher is None:
        progress.say("check: no teacher in this recipe")
        return None
    runs = Path(runs)
    if recipe.of_teacher is not None:
        train(recipe.of_teacher, engine=engine, runs=runs, data_root=data_root)
    dataset = data.load(recipe.data, data_root)
    seen = look(recipe, dataset, runs)
    for line in in_words(recipe, seen):
        progress.say(line)
    return seen


def look(recipe: Recipe, dataset: DataSet, runs: Path) -> dict[str, Any]:
    """The facts: both networks, the teacher's accuracy and calibration on val, how soft its answers are, the cost."""
    assert recipe.teacher is not None
    teacher = teaching.load_teacher(recipe, dataset, runs)
    student = teaching.build_for(recipe.student, dataset, recipe.seed, learns=True)
    shape = (1, *dataset.train.shape)
    temperature = float(getattr(recipe.method, "temperature", 1.0))
    on_val = teaching.on_val(recipe, teacher, dataset, runs)
    plan = Plan(len(dataset.train), recipe.views, recipe.seed, recipe.fit)
    cache = teaching.open_cache(recipe, teacher, dataset, runs)
    cacheable = recipe.method.needs <= teaching.CACHEABLE and not recipe.teacher.live
    sizes = teacher.sizes()
    widths = {"logits": sizes.classes, "embedding": sizes.embedding or 0}
    missing = cache.missing(plan.views_used, ["logits"])
    return {
        "val": measure(on_val, dataset.val.labels),
        "val_held_out": recipe.of_teacher is not None,
        "temperature": temperature,
        "softness": {
            "val": softness(on_val, temperature),
            "train": softness(_on_train(recipe, teacher, dataset), temperature),
        },
        "teacher": _facts(teacher, shape),
        "student": _facts(student, shape),
        "views": len(plan.views_used),
        "cached": cacheable,
        "passes": sum(min(8192, len(dataset.train) - shard.start) for shard in missing)
        if cacheable
        else plan.steps * recipe.fit.batch_size,
        "bytes": cache.bytes_needed(plan.views_used, {f: widths[f] for f in teaching.fields_of(recipe)}),
    }


def softness(logits: Float[Tensor, "N C"], temperature: float) -> dict[str, float]:
    """Mean largest probability and mean entropy (nats) of the softened answers: what is there beyond the label."""
    log_p = (logits.double() / temperature).log_softmax(dim=1)
    return {
        "largest_probability": log_p.exp().amax(dim=1).mean().item(),
        "entropy": -(log_p.exp() * log_p).sum(dim=1).mean().item(),
    }


def in_words(recipe: Recipe, seen: dict[str, Any]) -> list[str]:
    """The facts as lines, warnings last."""
    assert recipe.teacher is not None
    val, teacher, student = seen["val"], seen["teacher"], seen["student"]
    trained_on = "" if seen["val_held_out"] else " (held out only if its weights were not trained on these images)"
    at = f"at T = {seen['temperature']:g}"
    soft = {split: f"{s['largest_probability']:.3f} / {s['entropy']:.3f}" for split, s in seen["softness"].items()}
    passes = f"{seen['passes']:,} teacher passes"
    lines = [
        f"check: teacher {recipe.teacher.model.name}, {teacher['parameters']:,} parameters, {teacher['macs']:,} MACs; "
        f"student {recipe.student.name}, {student['parameters']:,} and {student['macs']:,}",
        f"  sees {teacher['size']} pixels, mean {teacher['mean']}, std {teacher['std']}, in eval mode",
        f"  on val: top-1 {val['top1']:.2%}, NLL {val['nll']:.3f}, ECE {val['ece']:.3f}, "
        f"confidence {val['confidence']:.3f}{trained_on}",
        f"  mean largest probability / entropy {at}: {soft['train']} on training views, {soft['val']} on val",
        f"  {passes} to pay, {progress.size(seen['bytes'])} on disk for {seen['views']} views"
        if seen["cached"]
        else f"  {passes}: this method needs the teacher live at every step",
    ]
    return lines + [f"warning: {text}" for text in warnings(seen)]


def warnings(seen: dict[str, Any]) -> list[str]:
    """What a person should look at before paying."""
    found = []
    classes = len(seen["val"]["per_class"])
    if seen["val"]["top1"] < 2 / classes:
        found.append(
            f"the teacher is right on {seen['val']['top1']:.1%} of val, chance is {1 / classes:.1%}: "
            "are its normalisation, its input size and the order of its classes those of this data set?"
        )
    if seen["softness"]["train"]["entropy"] < SATURATED:
        found.append(
            f"the teacher's answers on training views are almost one-hot at T = {seen['temperature']:g}: little is "
            "left to teach beyond the label; a higher method.temperature, augment.mix, or images new to it help"
        )
    if seen["teacher"]["parameters"] <= seen["student"]["parameters"]:
        found.append("the teacher has no more parameters than the student")
    if not seen["val_held_out"] and seen["val"]["nll"] < 0.02:
        found.append("the teacher's NLL on val is near 0: it was probably trained on those images, so val flatters it")
    return found


def _on_train(recipe: Recipe, teacher: Tapped, dataset: DataSet) -> Tensor:
    sample = rng.permutation(0, 0, len(dataset.train))[:SAMPLE]
    with torch.inference_mode():
        views = dataset.train.view(sample, torch.zeros_like(sample), recipe.augment)
        return torch.cat([teacher(pixels).logits for pixels in views.pixels.split(250)])


def _facts(network: Tapped, shape: tuple[int, int, int, int]) -> dict[str, Any]:
    return {
        "parameters": parameters(network),
        "macs": macs(network, shape),
        "size": network.size,
        "mean": [round(m, 4) for m in network.mean],
        "std": [round(s, 4) for s in network.std],
    }
