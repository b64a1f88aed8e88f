"""Keeps the state of a run between two steps, as safetensors and JSON, in a folder that appears by rename.

The data pipeline has no state but the step, the generator none but the seed: what is left is weights and the
optimiser's moments.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tutelage import files

KEEP = 2
"""Checkpoints that stay; older ones are removed once a newer one is whole."""


def save(folder: Path, step: int, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer, state: Any) -> None:
    """Writes `folder/step_00000042`.

    Args:
        folder: Of all checkpoints of the run.
        step: Steps that have been made.
        modules: What to keep the weights of, by name.
        optimizer: Its moments are kept; learning rates are functions of the step.
        state: Anything JSON can hold.
    """
    path = folder / f"step_{step:08d}"
    if path.exists():
        return
    with files.appearing_folder(path) as beside:
        for name, module in modules.items():
            save_file(_contiguous(module.state_dict()), beside / f"{name}.safetensors")
        save_file(_moments(optimizer), beside / "optimizer.safetensors")
        files.write_json(beside / "state.json", {"step": step, **state})
    for old in list_steps(folder)[:-KEEP]:
        files.remove_folder(folder / f"step_{old:08d}")


def load_latest(folder: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Restores the newest checkpoint in place; its state, {"step": 0} where there is none."""
    steps = list_steps(folder)
    if not steps:
        return {"step": 0}
    path = folder / f"step_{steps[-1]:08d}"
    for name, module in modules.items():
        module.load_state_dict(load_file(path / f"{name}.safetensors"))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in load_file(path / "optimizer.safetensors").items():
        number, name = key.split(".", 1)
        moments.setdefault(int(number), {})[name] = _in_format_of(parameters[int(number)], tensor)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return files.read_json(path / "state.json")


def load_part(folder: Path, name: str, module: nn.Module) -> None:
    """Restores one module from the newest checkpoint in place; leaves it as it is where there is none."""
    steps = list_steps(folder)
    if steps:
        module.load_state_dict(load_file(folder / f"step_{steps[-1]:08d}" / f"{name}.safetensors"))


def list_steps(folder: Path) -> list[int]:
    """The steps of the checkpoints that are whole, ascending."""
    return sorted(int(path.name[5:]) for path in folder.glob("step_*"))


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    flat = {f"{parameter}.{name}": value for parameter, values in state.items() for name, value in values.items()}
    return _contiguous({key: value for key, value in flat.items() if value is not None})


def _in_format_of(parameter: Tensor, moment: Tensor) -> Tensor:
    """A moment laid out in memory like its parameter, as the optimiser itself would have made it."""
    if moment.shape != parameter.shape:
        return moment
    return torch.empty_like(parameter, dtype=moment.dtype, requires_grad=False).copy_(moment)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """safetensors takes neither channels_last nor tensors that share memory."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
