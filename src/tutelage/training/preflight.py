"""Looks at a teacher before any lesson: is it the one that was meant, and is it worth its lessons?"""

import glob
import logging
import time
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tutelage import data, progress, rng
from tutelage.data.splits import DataSet
from tutelage.data.turnstile import no_test_split
from tutelage.errors import UserError
from tutelage.measure.classifier import measure
from tutelage.measure.measures import sentence
from tutelage.measure.statistics import too_few
from tutelage.models.count import macs, parameters
from tutelage.models.tap import Tapped
from tutelage.models.twins import made_for, twins
from tutelage.run.folder import Run
from tutelage.run.network import build_for, known_classes
from tutelage.run.plan import Plan, views_used
from tutelage.run.recipe import Recipe, method_words, readable
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.teacher.answer import mean_logits
from tutelage.teacher.asking import ask
from tutelage.teacher.cachefiles import SHARD, passes_each
from tutelage.teacher.crossfit import answered_by
from tutelage.teacher.members import Member, held_out, load_member
from tutelage.teacher.paired import one_view_each
from tutelage.training.concerns import beforehand, concerns
from tutelage.training.loop import train

log = logging.getLogger(__name__)

SAMPLE = 1000
"""Training images that are looked at, in their first view."""
CHUNK = 250
MANY = 100
"""Answers that do not all lie between 0 and 1 by chance."""
SOFTER = (1, 2, 4, 8)
"""Multiples of the method's temperature at which the answers are looked at."""


@no_test_split("the check before a training run")
def before_training(recipe: Recipe, workspace: Workspace) -> dict[str, Any] | None:
    """Trains the teachers that have to be trained, looks at them, says what it sees; None without a teacher.

    Raises:
        UserError: a teacher cannot teach these classes.
    """
    seen = data.load(recipe.data, workspace.data_root)
    of_classes = torch.bincount(seen.train.labels[seen.train.labels >= 0], minlength=len(seen.classes))
    if recipe.data.is_path and (few := too_few(int(of_classes.min()), len(seen.val))):
        progress.say(f"warning: {few}")
    for line in beforehand(recipe, seen):
        progress.say(f"warning: {line}")
    if not recipe.taught_by:
        progress.say("check: no teacher in this recipe")
        return None
    if (why := recipe.method.claims.two_views) and not recipe.second_view:
        progress.say(f"note: {method_words(recipe.method)} sees one view: {why}; --second-view True shows both")
    for own in recipe.of_teachers:
        train(own, workspace)
    concerns = look(recipe, seen, workspace)
    for line in in_words(concerns):
        progress.say(line)
    return concerns


@no_test_split("the check before a training run")
def look(recipe: Recipe, dataset: DataSet, workspace: Workspace) -> dict[str, Any]:
    """The facts: every network, the teachers' accuracy and calibration on val, how soft their answers are, the cost.

    Returns:
        `teachers`: one dict each (`form`: what it answers with, where that is no logits); `student`; `val`: measures
        of them all together, and whether it was held out; `temperature` T; `softness` by split at the multiples of T
        in `SOFTER`; `cost`; `baseline`: what finished runs of the same recipe without a teacher reached, or None.
    """
    plan, device = Plan.of(recipe, len(dataset.train)), workspace.engine.fabric().device
    temperature = lessons.temperature(recipe)
    teachers, on_val, on_train = [], [], []
    for spec in recipe.taught_by:
        member = load_member(recipe, spec, dataset, workspace)
        member.network.to(device)
        on_val.append(lessons.on_val(recipe, member, dataset, workspace))
        about = answered_by(recipe, spec, dataset)
        sample = rng.permutation(0, 0, len(about.train))[: SAMPLE // max(1, recipe.cross_fitted)]
        logits, per_second = _answers(member.network, about, recipe, sample)
        on_train = [torch.cat([*on_train, logits])] if recipe.cross_fitted else [*on_train, logits]
        facts = _facts(member.network, dataset) | _identity(recipe, member, dataset)
        cost = _cost(recipe, member, about, workspace)
        cost["seconds"] = cost["passes"] / per_second
        teachers.append(
            facts
            | {"val": measure(on_val[-1], dataset.val.labels), "form": form(on_val[-1]), "cost": cost}
            | {"images_per_second": per_second, "val_held_out": held_out(recipe, spec)}
        )
    student = build_for(recipe.student, dataset, recipe.seed, learns=True)
    return {
        "teachers": teachers,
        "student": {"name": recipe.student.name} | _facts(student, dataset),
        "val": measure(mean_logits(on_val, 1.0), dataset.val.labels),
        "val_held_out": all(teacher["val_held_out"] for teacher in teachers),
        "classes": list(dataset.classes),
        "temperature": temperature,
        "softness": {
            split: {times: softness(mean_logits(logits, times * temperature), times * temperature) for times in SOFTER}
            for split, logits in (("train", on_train), ("val", on_val))
        },
        "views": len(plan.views_used),
        "baseline": _baseline(recipe, workspace.runs),
    }


def softness(logits: Float[Tensor, "N C"], temperature: float) -> dict[str, float]:
    """Mean largest probability and mean entropy (nats) of the softened answers: what is there beyond the label."""
    log_p = (logits.double() / temperature).log_softmax(dim=1)
    return {
        "largest_probability": log_p.exp().amax(dim=1).mean().item(),
        "entropy": -(log_p.exp() * log_p).sum(dim=1).mean().item(),
    }


def form(logits: Float[Tensor, "N C"]) -> str:
    """What a network answers with where that is no logits: "probabilities", "log-probabilities" or "sigmoids".

    Empty: it may be logits. Probabilities are positive and sum to 1 for every image; logits of two images never do.
    """
    near = 2e-3
    if (logits >= 0).all() and (logits <= 1 + near).all() and logits.std(dim=1).max() > near:
        if ((logits.sum(dim=1) - 1).abs() < near).all():
            return "probabilities"
        return "sigmoids" if logits.numel() >= MANY else ""  # a few logits may all lie there by chance
    if (logits <= near).all() and (logits.double().logsumexp(dim=1).abs() < near).all():
        return "log-probabilities"
    return ""


def in_words(seen: dict[str, Any]) -> list[str]:
    """The facts as lines, warnings last."""
    student, teachers = seen["student"], seen["teachers"]
    lines = []
    for teacher in teachers:
        which = f" ({teacher['which']})" if len(teachers) > 1 else ""
        lines += [
            f"check: teacher {teacher['name']}{which}, {_size(teacher)}",
            f"  sees {teacher['size']} pixels, mean {teacher['mean']}, std {teacher['std']}, in eval mode",
            f"  on val: {_measures(teacher)}",
        ]
    if len(teachers) > 1:
        lines.append(f"check: the {len(teachers)} as an ensemble, on val: {_measures(seen)}")
    soft = {
        split: "{largest_probability:.3f} / {entropy:.3f}".format(**by_times[1])
        for split, by_times in seen["softness"].items()
    }
    costs = [teacher["cost"] for teacher in teachers]
    passes, seconds, size = (sum(cost[name] for cost in costs) for name in ("passes", "seconds", "bytes"))
    stored = f", {progress.size(size)} to add on disk for {progress.counted(seen['views'], 'view')}" if size else ""
    live = sum(not cost["cached"] for cost in costs)
    remark = "; this method or teacher.live asks the teacher at every step" if live else ""
    return [
        *lines,
        f"  mean largest probability / entropy at T = {seen['temperature']:g}: "
        f"{soft['train']} on training views, {soft['val']} on val",
        f"check: student {student['name']}, {_size(student)}",
        f"  {passes:,} teacher passes to pay, about {progress.duration(seconds)} here{stored}{remark}",
        *(f"warning: {text}" for text in concerns(seen)),
    ]


def _size(network: dict[str, Any]) -> str:
    return f"{network['parameters']:,} parameters, {network['macs']:,} multiply-adds"


def _measures(seen: dict[str, Any]) -> str:
    return sentence(seen["val"]) + (
        "" if seen["val_held_out"] else " (held out only if its weights were not trained on these images)"
    )


def _answers(network: Tapped, dataset: DataSet, recipe: Recipe, sample: Tensor) -> tuple[Tensor, float]:
    """Logits on the first view of some training images, and images a second after the first chunk."""
    chunks, seconds = [], []
    for part in sample.split(CHUNK):
        begun = time.perf_counter()
        chunks.append(ask(network, dataset.train, recipe.augment, part, 0).logits.float().cpu())
        seconds.append((time.perf_counter() - begun) / len(part))
    return torch.cat(chunks), 1 / min(seconds)


def _facts(network: Tapped, dataset: DataSet) -> dict[str, Any]:
    sizes = network.sizes()
    return {
        "parameters": parameters(network),
        "macs": macs(network, (1, *dataset.train.shape)),
        "size": network.size,
        "mean": [round(m, 4) for m in network.mean],
        "std": [round(s, 4) for s in network.std],
        "deepest": min((feature[1] for feature in sizes.features), default=None),
    }


def _identity(recipe: Recipe, member: Member, dataset: DataSet) -> dict[str, Any]:
    """What the weights say of themselves: for which network they were made, for which classes, how good they were."""
    own = recipe.training_of(member.spec)
    began_with = member.spec.model if own is not None else member.model
    metadata = member.network.metadata
    known = known_classes(member.model, member.network)
    recorded = metadata.get("val_top1") if metadata.get("data") == dataset.name else None
    return {
        "name": member.model.name,
        "which": member.spec.which,
        "flag": "--teacher.model.name"
        if recipe.teacher
        else f"--teachers.{recipe.teachers.index(member.spec)}.model.name",
        "weights": began_with.weights,
        "made_for": made_for(began_with),
        "twins": twins(began_with, classes=len(dataset.classes)),
        "classes": list(known),
        "recorded": None if recorded is None else float(recorded),
    }


def _cost(recipe: Recipe, member: Member, dataset: DataSet, workspace: Workspace) -> dict[str, Any]:
    """Teacher passes that are still to be paid, and the bytes they add."""
    if not lessons.cached(recipe, member.spec):
        batches = len(dataset.train) // recipe.fit.batch_size * recipe.fit.epochs
        passes = batches * recipe.fit.batch_size * passes_each(recipe.method.needs)
        return {"cached": False, "passes": passes, "bytes": 0}
    fields, passes, size, views = lessons.widths(recipe, member.network.sizes()), 0, 0, views_used(recipe)
    for of_view in one_view_each(recipe, dataset.train):
        cache = lessons.open_cache(of_view, member, dataset, workspace)
        size += cache.bytes_needed(views, fields)
        if lessons.answering(of_view, member, dataset, workspace)[0] is member.network:
            blocks = {(shard.view, shard.start) for shard in cache.files.missing(views, fields)}
            images = sum(min(SHARD, len(dataset.train) - start) for _, start in blocks)
            passes += images * passes_each(fields)
    return {"cached": True, "passes": passes, "bytes": size}


def _baseline(taught: Recipe, runs: Path) -> dict[str, Any] | None:
    """What finished runs of the same student, images and budget reached on val without a teacher, of any seed."""
    wanted = taught.as_baseline.identity | {"seed": 0}
    found = []
    for path in sorted(runs.glob(f"{glob.escape(readable(taught.data.title, 'baseline'))}-*/DONE")):
        try:
            run = Run.open(path.parent)
            if run.recipe.identity | {"seed": 0} == wanted:
                found.append(run.curve("val", "top1")[-1][1])
        except UserError as error:  # any run of this folder: whoever needs it says what to do
            log.warning("%s; it is not compared with the teacher", error.message)
    return {"top1": sum(found) / len(found), "runs": len(found)} if found else None
