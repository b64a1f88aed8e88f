"""Keeps the state of a run between two steps, as safetensors and JSON, in a folder that appears by rename.

The data pipeline has no state but the step, the generator none but the seed: what is left is weights and the
optimiser's moments.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage import files, sealed
from tutelage.errors import Damaged

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

log = logging.getLogger(__name__)

KEEP = 2
"""Checkpoints that stay; older ones are removed once a newer one is whole."""


class Checkpoints(NamedTuple):
    """Where the checkpoints of a run are."""

    folder: Path
    """The folder of all checkpoints."""
    title: str = ""
    """Whose they are: the run's title; empty: a version that wrote no seals has begun the run."""


def save(
    place: Checkpoints,
    step: int,
    modules: "dict[str, nn.Module]",
    optimizer: "torch.optim.Optimizer",
    state: Any,
    beside: tuple[Path, ...] = (),
) -> None:
    """Writes `step_00000042` in their folder, every file of it sealed as that step's.

    Args:
        place: The run's.
        step: Steps that have been made.
        modules: What to keep the weights of, by name.
        optimizer: Its moments are kept; learning rates are functions of the step.
        state: Anything JSON can hold.
        beside: Files that are copied into it.
    """
    folder, title = place
    path = folder / f"step_{step:08d}"
    if path.exists():
        return
    with files.appearing_folder(path) as made:
        for name, module in modules.items():
            tensors = _contiguous(module.state_dict())
            sealed.write_tensors(made / f"{name}.safetensors", tensors, _what(title, step, name))
        sealed.write_tensors(made / "optimizer.safetensors", _moments(optimizer), _what(title, step, "optimizer"))
        for file in beside:
            sealed.write_bytes(made / file.name, file.read_bytes(), _what(title, step, file.name))
        copies = [file.name for file in beside]
        sealed.write_json(made / "state.json", {"step": step, "copies": copies, **state}, _what(title, step, "state"))
    for old in list_steps(folder)[:-KEEP]:
        files.remove_folder(folder / f"step_{old:08d}")


def load_latest(
    place: Checkpoints, modules: "dict[str, nn.Module]", optimizer: "torch.optim.Optimizer"
) -> dict[str, Any]:
    """Restores the newest checkpoint that is as it was written, in place; its state, {"step": 0} where there is none.

    One that is damaged is named and removed: the steps since the one before it are made again.
    """
    folder, title = place
    for step in reversed(list_steps(folder)):
        path = folder / f"step_{step:08d}"
        try:
            state = _state(path, title, step)
            parts = {name: _part(path, name, title, step, state) for name in (*modules, "optimizer")}
            for name in state.pop("copies", ()):
                sealed.check(path / name, _what(title, step, name))
        except Damaged as damaged:
            log.warning("%s; the run goes on from what was kept before it", damaged.message)
            with suppress(FileNotFoundError):  # another process of the run was quicker
                files.remove_folder(path)
            continue
        for name, module in modules.items():
            module.load_state_dict(parts[name])
        _restore(optimizer, parts["optimizer"])
        return state
    return {"step": 0}


def load_part(place: Checkpoints, name: str, module: "nn.Module", step: int | None = None) -> None:
    """Restores one module from a finished run's last checkpoint in place; leaves it as it is where there is none.

    Args:
        place: The run's.
        name: Of the module.
        module: Takes the weights.
        step: The run's last; None: not known.

    Raises:
        Damaged: the checkpoint is not as it was written, or the last one is gone and an earlier one is there.
    """
    folder, title = place
    steps = list_steps(folder)
    if steps:
        path = _last(folder, steps, step)
        module.load_state_dict(_part(path, name, title, steps[-1], _state(path, title, steps[-1])))


def check(place: Checkpoints, step: int | None = None) -> None:
    """Compares all files of a finished run's last checkpoint with their seals, where it is still there.

    Raises:
        Damaged: see `load_part`.
    """
    folder, title = place
    steps = list_steps(folder)
    if steps:
        path = _last(folder, steps, step)
        state = _state(path, title, steps[-1])
        for file in path.glob("*.safetensors"):
            _part(path, file.stem, title, steps[-1], state)


def _last(folder: Path, steps: list[int], step: int | None) -> Path:
    if step not in (None, steps[-1]):
        raise Damaged.of(folder / f"step_{step:08d}", "it is gone, and the one before it is there")
    return folder / f"step_{steps[-1]:08d}"


def _state(path: Path, title: str, step: int) -> dict[str, Any]:
    state = sealed.read_json(path / "state.json", _what(title, step, "state"), required=bool(title))
    if state.get("step") != step:
        raise Damaged.of(path / "state.json", f"it is not that of step {step}")
    return state


def _part(path: Path, name: str, title: str, step: int, state: dict[str, Any]) -> "dict[str, Tensor]":
    """The tensors of one file; a checkpoint whose state is sealed ("copies") has no file without a seal."""
    required = bool(title) or "copies" in state
    return sealed.read_tensors(path / f"{name}.safetensors", _what(title, step, name), required=required)


def _restore(optimizer: "torch.optim.Optimizer", flat: "dict[str, Tensor]") -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        number, name = key.split(".", 1)
        moments.setdefault(int(number), {})[name] = _in_format_of(parameters[int(number)], tensor)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _what(title: str, step: int, name: str) -> str:
    return f"{title}/step {step} {name}"


def list_steps(folder: Path) -> list[int]:
    """The steps of the checkpoints that are whole, ascending."""
    return sorted(int(path.name[5:]) for path in folder.glob("step_*"))


def _moments(optimizer: "torch.optim.Optimizer") -> "dict[str, Tensor]":
    state = optimizer.state_dict()["state"]
    flat = {f"{parameter}.{name}": value for parameter, values in state.items() for name, value in values.items()}
    return _contiguous({key: value for key, value in flat.items() if value is not None})


def _in_format_of(parameter: "Tensor", moment: "Tensor") -> "Tensor":
    """A moment laid out in memory like its parameter, as the optimiser itself would have made it."""
    if moment.shape != parameter.shape:
        return moment
    import torch

    return torch.empty_like(parameter, dtype=moment.dtype, requires_grad=False).copy_(moment)


def _contiguous(tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """safetensors takes neither channels_last nor tensors that share memory."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
