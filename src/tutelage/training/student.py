"""Keeps a finished student on disk: its weights, and a card that says how to load and feed it."""

import dataclasses
import json
import logging
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tutelage import files
from tutelage.data.splits import DataSet
from tutelage.models.checkpoints import METADATA
from tutelage.models.count import macs, parameters
from tutelage.models.delivered import check_student
from tutelage.models.twins import bare
from tutelage.outputs import Head, Sizes
from tutelage.run import checkpoint
from tutelage.run.folder import Run
from tutelage.run.network import build_for

log = logging.getLogger(__name__)


def save_student(run: Run, network: Any, dataset: DataSet, teacher: Sizes) -> None:
    """Writes student.safetensors and card.json.

    Args:
        run: The run that is ending.
        network: What is deployed, with `mean` and `std`: the student, and what a method adds to it for good.
        dataset: Its data.
        teacher: The teacher's shapes, from which a method's lasting parts are sized when it is loaded.
    """
    plain = _plain(network)
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in plain.state_dict().items()}
    mean, std = (",".join(map(repr, numbers)) for numbers in (network.mean, network.std))
    metadata = {
        "mean": mean,
        "std": std,
        "interpolation": _interpolation(network),
        "recipe": files.digest(run.recipe.identity),
        "data": dataset.name,
        "classes": json.dumps(dataset.classes),
    }
    if run.recipe.student.name.startswith("timm:"):
        metadata["timm_name"] = bare(run.recipe.student.name)
    if curve := run.curve("val", "top1"):
        metadata["val_top1"] = repr(curve[-1][1])
    with files.appearing(run.weights) as beside:
        # One entry: safetensors writes several in no fixed order, and the same weights shall be the same bytes.
        save_file(tensors, beside, {METADATA: json.dumps(metadata, sort_keys=True)})
    shape = dataset.train.shape
    run.keep(
        "card",
        {
            "model": run.recipe.to_dict()["student"],
            "data": dataset.name,
            "classes": list(dataset.classes),
            "input": {
                "shape": list(shape),
                "range": [0, 1],
                "mean": list(network.mean),
                "std": list(network.std),
                "interpolation": dataset.interpolation or _interpolation(network),
            },
            "resizes_inside_by": _interpolation(network),
            "parameters": parameters(plain),
            "macs": macs(network, (1, *shape)),
            "weights_sha256": files.file_digest(run.weights),
            "teacher_sizes": {
                "classes": teacher.classes,
                "embedding": teacher.embedding,
                "features": [list(shape) for shape in teacher.features],
                "stages": list(teacher.stages),
                "regions": teacher.regions,
            },
            "load": "tutelage.training.student.load_student(Run.open(FOLDER), dataset)",
        },
    )


def load_student(run: Run, dataset: DataSet) -> Any:
    """The network of a finished run, in eval mode: pixels in [0, 1] to `Outputs`.

    Only the run's folder is read: the weights that the student may have begun with need not be there any more.
    """
    return rebuilt(run, dataset)[2].eval()


def rebuilt(run: Run, dataset: DataSet, *, to_learn: bool = False) -> tuple[Any, nn.Module, Any]:
    """The student of a finished run, the method's adapters, and the network that is deployed, made of the two.

    Args:
        run: Finished.
        dataset: Its data.
        to_learn: All adapters as the run left them, from its last checkpoint where that is still there; else only
            those that are deployed.
    """
    check_student(run.weights)
    if changes := run.changes():
        log.warning("%s; what is measured here is measured with those of today", changes)
    recipe, card = run.recipe, run.result("card")
    mean, std = tuple(card["input"]["mean"]), tuple(card["input"]["std"])
    model = dataclasses.replace(recipe.student, weights="", mean=mean, std=std)
    student = build_for(model, dataset, recipe.seed)
    # Cards of earlier versions knew one way of resizing only.
    student.interpolation = card.get("resizes_inside_by", card["input"].get("interpolation", student.interpolation))
    shape = card["teacher_sizes"]
    width = shape["embedding"]
    head = None if width is None else Head(torch.zeros(shape["classes"], width), torch.zeros(shape["classes"]))
    teacher = Sizes(
        shape["classes"],
        width,
        tuple(tuple(shape) for shape in shape["features"]),
        tuple(shape["stages"]),
        head,
        shape.get("regions", False),
    )
    adapters = recipe.method.adapters(student.sizes(), teacher, len(dataset.train))
    if to_learn:
        checkpoint.load_part(run.checkpoints, "adapters", adapters, run.last_step)
    network = recipe.method.deployed(student, adapters)
    _plain(network).load_state_dict(load_file(run.weights))
    return student, adapters, network


def _interpolation(network: Any) -> str:
    """How a network resizes; a composite asks its student."""
    return getattr(network, "interpolation", None) or network.student.interpolation


def _plain(network: nn.Module) -> nn.Module:
    """A student's plain network, under whose names its weights are saved; a composite is saved as it is."""
    return getattr(network, "network", network)
