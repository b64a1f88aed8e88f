"""Collects what `tutelage bench RUN` compares: the exported files, and student and teacher as PyTorch runs them."""

import dataclasses
from pathlib import Path

from tutelage import data, progress
from tutelage.edge.comparing import Contestant
from tutelage.edge.kinds import pt2
from tutelage.errors import UserError
from tutelage.export import exported, task_of
from tutelage.export.formats import chosen
from tutelage.export.onnx_files import quiet
from tutelage.measure.classifier import measure
from tutelage.run.folder import Run
from tutelage.run.workspace import Workspace
from tutelage.teacher import lessons
from tutelage.teacher.members import load_member


def of_run(path: Path, folder: Path, data_root: Path | None) -> list[Contestant]:
    """Everything of a run that can be run, with its accuracy on val.

    Args:
        path: Of the run.
        folder: Takes what has to be written for it.
        data_root: Of its data set.

    Raises:
        UserError: no run, or not a finished one; a teacher whose weights are not there any more.
    """
    run = Run.open(path)
    dataset, workspace = data.load(run.recipe.data, data_root), Workspace(path.parent, data_root)
    task = task_of(run, dataset)
    folder.mkdir()
    labels = dataset.val.labels
    networks = {"student, PyTorch": (task.network, measure(task.logits, labels)["top1"])}
    for spec in run.recipe.taught_by:
        member = load_member(run.recipe, spec, dataset, workspace)
        logits = lessons.on_val(run.recipe, member, dataset, workspace)
        networks[f"teacher {member.model.name}, PyTorch"] = member.network, measure(logits, labels)["top1"]
    found = []
    for number, (name, (network, accuracy)) in enumerate(networks.items()):
        file = folder / f"{number}.pt2"
        with quiet():
            pt2.write(dataclasses.replace(task, network=network), file)
        found.append(Contestant(name, file, task.shape, accuracy))
    sound = exported(run)
    if not sound:
        raise UserError(f"{path} has no exported files", f"tutelage export {path} writes them")
    for name, result in sound.items():
        try:
            chosen([name], to_write=False)
        except UserError as missing:
            progress.say(f"{result['file']} is left out: {missing.message}")
            continue
        found.append(Contestant(name, path / result["file"], task.shape, result["val_top1"]))
    return found
